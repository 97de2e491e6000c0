"""Channels (Bayeux 1.0, channel names and globbing), and which of them clients may use. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 256
"""Characters of a channel: more than any that is published has, and little to store and compare."""
MAX_SEGMENTS: Final = 32
"""Segments of a channel: bounds the keys an event is looked up by."""

META: Final = "/meta/"
HANDSHAKE: Final = "/meta/handshake"
CONNECT: Final = "/meta/connect"
SUBSCRIBE: Final = "/meta/subscribe"
UNSUBSCRIBE: Final = "/meta/unsubscribe"
DISCONNECT: Final = "/meta/disconnect"

SERVICE: Final = "/service/"
"""Channels between a client and the server alone: nothing that is sent there reaches another client."""

_OPEN: Final = ("/v2/", "/notifications/", SERVICE)
"""What subscriptions may begin with."""
_WHOLE: Final = frozenset({"/*", "/**"})
_SEGMENT: Final = r"[A-Za-z0-9_!~()$@.-]+"  # the specification's characters, and the dot as CometD has it
_CHANNEL: Final = re.compile(rf"(?:/{_SEGMENT})+", re.ASCII)
_PATTERN: Final = re.compile(rf"(?:/{_SEGMENT})*(?:/\*\*?|/{_SEGMENT})", re.ASCII)


def is_channel(text: str) -> bool:
    """Tell whether the text names one channel."""
    return _fits(text) and _CHANNEL.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Tell whether the text is a channel, or ends in ``/*`` (one more segment) or ``/**`` (one or more)."""
    return _fits(text) and _PATTERN.fullmatch(text) is not None


def is_subscribable(pattern: str) -> bool:
    """Tell whether clients may subscribe to a pattern. What is published there they see only their own of."""
    return pattern.startswith(_OPEN) or pattern in _WHOLE


def is_service(pattern: str) -> bool:
    """Tell whether a pattern stays among the service channels, where nothing is ever published."""
    return pattern.startswith(SERVICE)


@lru_cache(maxsize=1024)
def lookups(channel: str) -> tuple[str, ...]:
    """Return every pattern that matches a channel: for n segments they are n + 2."""
    parts = channel.split("/")[1:]
    above = ["/".join(("", *parts[:depth])) for depth in range(len(parts))]
    return (channel, above[-1] + "/*", *(prefix + "/**" for prefix in above))


def _fits(text: str) -> bool:
    return len(text) <= MAX_LENGTH and text.count("/") <= MAX_SEGMENTS
