"""Error texts of replies: three digits, arguments, text (Bayeux 1.0, the error field). Pure."""

from __future__ import annotations

import re
from typing import Final

MAX_ARGUMENT: Final = 256
"""Characters of an argument that are echoed."""

AUTHENTICATION_REQUIRED: Final = "401::Authentication required"
UNKNOWN_CLIENT: Final = "402::Unknown client"
HANDSHAKE_DENIED: Final = "403::handshake_denied"
CHANNEL_MISSING: Final = "400::channel_missing"
DATA_MISSING: Final = "400::data_missing"
MESSAGE_ID_INVALID: Final = "405::message_id_invalid"
SUBSCRIPTION_MISSING: Final = "403::subscription_missing"
SUBSCRIPTION_INVALID: Final = "403::subscription_invalid"

_UNSAFE: Final = re.compile(r"[:,\x00-\x1f\x7f-\x9f]")


def version_mismatch(version: str) -> str:
    """Tell that the client speaks another major version than 1."""
    return f"300:{_safe(version)}:Version mismatch"


def no_common_transport(connection_types: list[str]) -> str:
    """Tell that none of the client's connection types is offered."""
    return f"301:{_safe(' '.join(connection_types))}:Connection types not supported"


def parameter_missing(name: str) -> str:
    """Tell that a handshake lacks a field."""
    return f"402:{name}:parameter_missing"


def channel_invalid(channel: str) -> str:
    """Tell that what was published to is no channel."""
    return f"405:{_safe(channel)}:channel_invalid"


def subscribe_denied(pattern: str) -> str:
    """Tell that clients may not subscribe to a pattern, or to no more of them."""
    return f"403:{_safe(pattern)}:subscribe_denied"


def publish_denied(channel: str) -> str:
    """Tell that clients may not publish to a channel."""
    return f"403:{_safe(channel)}:publish_denied"


def _safe(argument: str) -> str:
    """Return the client's own text without what separates the parts of an error."""
    return _UNSAFE.sub(" ", argument[:MAX_ARGUMENT])
