"""Replies to messages, and the advice they carry; when advice is given is as with CometD. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from relay.streaming.bayeux import channels, errors
from relay.streaming.bayeux.messages import Message
from relay.streaming.bayeux.requests import VERSION, Refused

STOP: Final[dict[str, Any]] = {"reconnect": "none"}
"""Advice not to come again."""
RENEW: Final[dict[str, Any]] = {"reconnect": "handshake", "interval": 0}
"""Advice to begin a new session."""

LATER: Final[dict[str, Any]] = {"reconnect": "handshake", "interval": 1000}
"""Advice to try to begin a session again later; without a pause some clients would spin."""

PARTING: Final[Message] = {"channel": channels.DISCONNECT, "successful": True}
"""What a client is told whose session the server has ended; as it is no reply, it has no id (CometD)."""


def retry(timeout: int) -> dict[str, Any]:
    """Advise to connect again at once, and say how long it may be held (milliseconds).

    The interval is always 0: there are clients that take it for seconds.
    """
    return {"reconnect": "retry", "timeout": timeout, "interval": 0}


def success(message: Message, **fields: Any) -> Message:
    """Confirm a message."""
    return {**_head(message), "successful": True, **fields}


def failure(message: Message, error: str, advice: dict[str, Any] | None = None) -> Message:
    """Tell why a message was not carried out."""
    reply = {**_head(message), "successful": False, "error": error}
    return reply if advice is None else {**reply, "advice": advice}


def refusal(refused: Refused) -> Message:
    """Answer a message that cannot be carried out, whoever sent it."""
    return failure(refused.message, refused.error, STOP if refused.final else None)


def handshaken(message: Message, client: str, connection_types: Sequence[str], timeout: int) -> Message:
    """Answer a handshake with the new session's client id."""
    return success(
        message,
        clientId=client,
        version=VERSION,
        supportedConnectionTypes=list(connection_types),
        advice=retry(timeout),
    )


def connected(message: Message, advice: dict[str, Any] | None) -> Message:
    """Answer a connect."""
    reply: Message = {"channel": channels.CONNECT, "successful": True}
    if message.get("id") is not None:
        reply["id"] = message["id"]
    if advice is not None:
        reply["advice"] = advice
    return reply


def unknown_client(message: Message) -> Message:
    """Tell that there is no such session of this user; a connect is advised to begin a new one."""
    return failure(
        message, errors.UNKNOWN_CLIENT, RENEW if message.get("channel") == channels.CONNECT else None
    )


def beside_handshake(message: Message) -> Message:
    """Answer what came in one payload with a handshake: its sender could not know its client id yet."""
    return failure(message, errors.UNKNOWN_CLIENT)


def unauthenticated(message: Message) -> Message:
    """Answer somebody of whom nothing is known."""
    return failure(message, errors.AUTHENTICATION_REQUIRED, STOP)


def _head(message: Message) -> Message:
    """Return what every reply repeats of its request."""
    head: Message = {}
    if message.get("id") is not None:
        head["id"] = message["id"]
    channel = message.get("channel")
    if isinstance(channel, str):
        head["channel"] = channel
    subscription = message.get("subscription")
    if channel in (channels.SUBSCRIBE, channels.UNSUBSCRIBE) and isinstance(subscription, str | list):
        head["subscription"] = subscription
    return head
