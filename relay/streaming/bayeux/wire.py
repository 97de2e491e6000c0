"""Websocket frames as bytes (RFC 6455, section 5.2): made once, written to many. Pure."""

from __future__ import annotations

from typing import Final

_FINAL_TEXT: Final = 0x81
_SHORT: Final = 126
_MEDIUM: Final = 1 << 16


def text_frame(text: bytes) -> bytes:
    """Return UTF-8 text as one whole frame of a server: not masked, not compressed."""
    size = len(text)
    if size < _SHORT:
        return bytes((_FINAL_TEXT, size)) + text
    if size < _MEDIUM:
        return bytes((_FINAL_TEXT, 126)) + size.to_bytes(2, "big") + text
    return bytes((_FINAL_TEXT, 127)) + size.to_bytes(8, "big") + text
