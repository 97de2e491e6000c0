"""Extensions of CometD in the ``ext`` of handshakes and connects: ``ack`` and ``timesync``. Pure."""

from __future__ import annotations

from typing import Any, Final

from relay.streaming.bayeux.messages import Message

_TOLERATED: Final = 25
"""Milliseconds a client's clock may be off before it is told."""


def offers_ack(message: Message) -> bool:
    """Tell whether a handshake offers to acknowledge what comes."""
    given = _ext(message).get("ack")
    return given is True or (isinstance(given, dict) and given.get("enabled") is True)


def acknowledged(message: Message) -> int | None:
    """Return the last batch that a connect acknowledges; None if it says nothing of use."""
    given = _ext(message).get("ack")
    usable = isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**53
    return given if usable else None


def timesync(message: Message, *, arrived: float, now: float) -> dict[str, Any] | None:
    """Return the server's side of a clock comparison; None where there is none to be made.

    Times are milliseconds since the epoch. The client sends its time (``tc``) and its present guesses of the
    network's lag (``l``) and its clock's offset (``o``); it is told when its message came (``ts``), how long
    the answer took (``p``), and by how much its guesses are off (``a``), unless that is little.
    """
    given = _ext(message).get("timesync")
    if not isinstance(given, dict):
        return None
    sent, lag, offset = (_number(given.get(name, 0)) for name in ("tc", "l", "o"))
    if sent is None or lag is None or offset is None:
        return None
    error = sent + offset + lag - round(arrived)
    if lag != 0 and abs(error) < _TOLERATED:
        return None
    return {"tc": sent, "ts": round(arrived), "p": round(now - arrived), "a": error}


def extended(reply: Message, ext: dict[str, Any]) -> Message:
    """Return a reply with extensions, if there are any."""
    return {**reply, "ext": ext} if ext else reply


def _ext(message: Message) -> dict[str, Any]:
    given = message.get("ext")
    return given if isinstance(given, dict) else {}


def _number(given: Any) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < 2**53:
        return None
    return round(given)
