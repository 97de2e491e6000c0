"""The head of an answer: status line and fields, and how long the body is (RFC 9112). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, final

MAX_HEAD: Final = 16 * 1024
"""Bytes an answer's head may have."""
REMEMBERED: Final = 64
"""Heads whose reading is kept: an endpoint answers most requests of a second with the same one."""

_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?\r?\n")
_FIELD: Final = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)\r?\n", re.MULTILINE)
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")


class MalformedAnswerError(Exception):
    """What came is no answer by HTTP/1.1, or has a head beyond every measure."""


@final
class Fields(Mapping[str, str]):
    """Header fields by name in any case; of a repeated one the first."""

    __slots__ = ("_by",)

    def __init__(self, by: Mapping[str, str]) -> None:
        """Take values by lower-case names."""
        self._by = by

    def __repr__(self) -> str:
        return f"Fields({', '.join(self._by)})"

    def __getitem__(self, name: str) -> str:
        return self._by[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by)

    def __len__(self) -> int:
        return len(self._by)


class Head(NamedTuple):
    """What the head of an answer says."""

    status: int
    fields: Fields
    retry_after: str | None
    length: int | None
    """Bytes of the body; None: chunked, or all until the connection is closed."""
    chunked: bool
    keep: bool
    """The connection may be used again once the answer is complete."""

    @property
    def interim(self) -> bool:
        """Whether the answer proper is still to come (RFC 9110, section 15.2); 101 is that."""
        return self.status < 200 and self.status != 101


def end(data: bytes, at: int, searched: int) -> int:
    """Return where the head that begins at a place ends, -1 if it goes on.

    Up to ``searched`` bytes of it are known to hold no end.

    Raises:
        MalformedAnswerError: it is too long.

    """
    found = _END.search(data, at + max(0, searched - 3), at + MAX_HEAD)
    if found is not None:
        return found.end()
    if len(data) - at >= MAX_HEAD:
        raise MalformedAnswerError("endless head")
    return -1


@lru_cache(REMEMBERED)
def read(head: bytes) -> Head:
    """Read a complete head, its blank line included; raises MalformedAnswerError."""
    line = _STATUS.match(head)
    if line is None:
        raise MalformedAnswerError("no status line")
    found = _FIELD.findall(head, line.end())
    if len(found) != head.count(b"\n", line.end()) - 1:
        raise MalformedAnswerError("a line that is no field")
    fields: dict[bytes, bytes] = {}
    for name, value in found:
        key = name.lower()
        if key not in fields:
            fields[key] = value.strip(b" \t")
        elif key in (b"content-length", b"transfer-encoding"):
            raise MalformedAnswerError("a length given twice")
    status = int(line[2])
    length, chunked = _framing(status, fields)
    connection = fields.get(b"connection", b"").lower()
    keep = b"close" not in connection if line[1] == b"1" else b"keep-alive" in connection
    shown = {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in fields.items()}
    return Head(status, Fields(shown), shown.get("retry-after"), length, chunked, keep and status != 101)


def _framing(status: int, fields: Mapping[bytes, bytes]) -> tuple[int | None, bool]:
    """Return the body's length, or None and whether it is chunked (RFC 9112, section 6.3)."""
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding is not None and length is not None:
        raise MalformedAnswerError("two ways to tell the body's length")
    if length is not None and not _NUMBER.fullmatch(length):
        raise MalformedAnswerError("a length that is no number")
    if status < 200 or status in (204, 304):
        return 0, False
    if coding is not None:
        return None, coding.lower().rpartition(b",")[2].strip() == b"chunked"
    return (None if length is None else int(length)), False
