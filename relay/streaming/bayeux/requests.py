"""What a message asks for, or why it cannot be had: decided from the message alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from relay.streaming.bayeux import channels, errors
from relay.streaming.bayeux.extensions import acknowledged
from relay.streaming.bayeux.messages import Message, has_usable_id

VERSION: Final = "1.0"
"""The version of Bayeux spoken here."""
MAX_SUBSCRIPTIONS: Final = 64
"""Patterns that one message may subscribe to."""
LONGEST: Final = 300_000
"""Milliseconds a client may ask its connect to be held, or its session to be kept, for."""

_VERSION: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{0,9})[0-9A-Za-z.-]*)?", re.ASCII)


class Refused(NamedTuple):
    """The message cannot be carried out, whoever sent it."""

    message: Message
    error: str
    final: bool = False
    """The client need not try again: it cannot be served here."""


class Handshake(NamedTuple):
    """Begin a session."""

    message: Message


class Connect(NamedTuple):
    """Tell the client what there is to tell, now or when there is something."""

    message: Message
    client: str
    hold: int | None
    """Milliseconds to wait for an event, where the client asks for a time of its own."""
    extra: int
    """Milliseconds that the session is to live longer after the answer."""
    advised: bool
    """The client gave advice, so it is given some."""
    ack: int | None = None
    """The last batch it acknowledges."""


class Subscribe(NamedTuple):
    """Add subscriptions to the session."""

    message: Message
    client: str
    patterns: tuple[str, ...]
    """Those on which something may be published; service channels are accepted and not kept."""


class Unsubscribe(NamedTuple):
    """Take subscriptions from the session."""

    message: Message
    client: str
    patterns: tuple[str, ...]


class Disconnect(NamedTuple):
    """End the session."""

    message: Message
    client: str


class Publish(NamedTuple):
    """Send data to a service channel, where it has no effect."""

    message: Message
    client: str


class Denied(NamedTuple):
    """Something that no session may do."""

    message: Message
    client: str
    error: str


Request = Refused | Handshake | Connect | Subscribe | Unsubscribe | Disconnect | Publish | Denied


def read(message: Message, connection_types: Sequence[str]) -> Request:
    """Find out what a message asks for, where these connection types are offered."""
    if not has_usable_id(message):
        return Refused({key: message[key] for key in message if key != "id"}, errors.MESSAGE_ID_INVALID)
    channel = message.get("channel")
    client = message.get("clientId")
    client = client if isinstance(client, str) else ""
    if channel == channels.CONNECT:  # nearly always
        return _connect(message, client, connection_types)
    if channel is None:
        return Refused(message, errors.CHANNEL_MISSING)
    if not isinstance(channel, str) or not channels.is_channel(channel):
        return Refused(message, errors.channel_invalid(channel if isinstance(channel, str) else ""))
    match channel:
        case channels.HANDSHAKE:
            return _handshake(message, connection_types)
        case channels.SUBSCRIBE | channels.UNSUBSCRIBE:
            return _subscription(message, client, channel)
        case channels.DISCONNECT:
            return Disconnect(message, client)
        case _:
            return _publish(message, client, channel)


def _handshake(message: Message, connection_types: Sequence[str]) -> Request:
    version, offered = message.get("version"), message.get("supportedConnectionTypes")
    if not isinstance(version, str):
        return Refused(message, errors.parameter_missing("version"), final=True)
    if not isinstance(offered, list) or not offered:
        return Refused(message, errors.parameter_missing("supportedConnectionTypes"), final=True)
    matched = _VERSION.fullmatch(version)
    if matched is None or int(matched[1]) != 1:
        return Refused(message, errors.version_mismatch(version), final=True)
    minimum = message.get("minimumVersion")
    if isinstance(minimum, str) and _is_beyond(minimum):
        return Refused(message, errors.version_mismatch(minimum), final=True)
    named = [name for name in offered if isinstance(name, str)]
    if not set(named) & set(connection_types):
        return Refused(message, errors.no_common_transport(named), final=True)
    return Handshake(message)


def _is_beyond(version: str) -> bool:
    """Tell whether a version is later than what is spoken here."""
    matched = _VERSION.fullmatch(version)
    return matched is not None and (int(matched[1]), int(matched[2] or 0)) > (1, 0)


def _connect(message: Message, client: str, connection_types: Sequence[str]) -> Request:
    chosen = message.get("connectionType")
    if chosen is not None and chosen not in connection_types:
        named = [chosen] if isinstance(chosen, str) else []
        return Refused(message, errors.no_common_transport(named), final=True)
    advice, ack = message.get("advice"), acknowledged(message) if "ext" in message else None
    if not isinstance(advice, dict):
        return Connect(message, client, None, 0, advised=False, ack=ack)
    hold = _milliseconds(advice.get("timeout"))
    # A client that polls rarely says so: it asks for no hold and comes again after the interval (CometD).
    extra = _milliseconds(advice.get("interval")) if hold == 0 else None
    return Connect(message, client, hold, extra or 0, advised=True, ack=ack)


def _subscription(message: Message, client: str, channel: str) -> Request:
    given = message.get("subscription")
    if given is None:
        return Refused(message, errors.SUBSCRIPTION_MISSING)
    patterns = given if isinstance(given, list) else [given]
    if not 0 < len(patterns) <= MAX_SUBSCRIPTIONS:
        return Refused(message, errors.SUBSCRIPTION_INVALID)
    for pattern in patterns:
        if not isinstance(pattern, str) or not channels.is_pattern(pattern):
            return Refused(message, errors.SUBSCRIPTION_INVALID)
    kept = tuple(pattern for pattern in dict.fromkeys(patterns) if not channels.is_service(pattern))
    if channel == channels.UNSUBSCRIBE:
        return Unsubscribe(message, client, kept)
    for pattern in patterns:
        if not channels.is_subscribable(pattern):
            return Denied(message, client, errors.subscribe_denied(pattern))
    return Subscribe(message, client, kept)


def _publish(message: Message, client: str, channel: str) -> Request:
    if "data" not in message and not channel.startswith(channels.META):
        return Refused(message, errors.DATA_MISSING)
    if channels.is_service(channel):
        return Publish(message, client)
    return Denied(message, client, errors.publish_denied(channel))


def _milliseconds(given: Any) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or given < 0:
        return None
    return int(min(given, LONGEST))
