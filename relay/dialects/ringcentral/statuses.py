"""A party's status: RingCentral's codes and reasons for the states and causes of a leg."""

from __future__ import annotations

from typing import Any, Final

from relay.calls.events import EventKind
from relay.calls.model import Cause, Party, PartyState, Reason, Role
from relay.dialects.ringcentral import identifiers

_CODES: Final[dict[PartyState, str]] = {
    PartyState.SETUP: "Setup",
    PartyState.PROCEEDING: "Proceeding",
    PartyState.ANSWERED: "Answered",
    PartyState.HELD: "Hold",
    PartyState.PARKED: "Parked",
    PartyState.VOICEMAIL: "VoiceMail",
    PartyState.DISCONNECTED: "Disconnected",
    PartyState.GONE: "Gone",
}

CODES: Final = (
    "Setup", "Proceeding", "Answered", "Disconnected", "Gone", "Parked", "Hold", "VoiceMail", "FaxReceive",
    "Tds", "VoiceMailScreening",
)  # fmt: skip
"""Every code of the published API, also those that no leg here ever has."""

_REASONS: Final[dict[Cause, str]] = {
    Cause.BUSY: "TargetBusy",
    Cause.NO_ANSWER: "NoAnswer",
    Cause.REJECTED: "Rejected",
    Cause.FAILED: "InternalError",
    Cause.TRANSFERRED: "BlindTransfer",
}
"""Reasons of calls that did not come about, and of legs that left them; who simply hung up has none."""

ATTENDED: Final = "AttendedTransfer"
"""The reason of legs that left because their call was joined with another."""

CONFERENCE: Final = "Conference"
"""The same where the other was placed as a conference."""

_MOVES: Final[dict[Reason, str]] = {Reason.FLIP: "CallFlip", Reason.PICKUP: "Pickup"}
_REPLIED: Final = "CallReplied"
_SUPERVISING: Final = "Supervising"

_UNANSWERED: Final = frozenset({Cause.BUSY, Cause.NO_ANSWER, Cause.CANCELED})


def status_code(party: Party, kind: EventKind | None = None) -> str:
    """Return the status code of a leg, or that of an event about it.

    A leg whose call was joined with another shows as gone; its notifications first say so, then that it is
    disconnected, since clients keep what is only gone. A caller counts as answered from when the switch has
    taken the leg, which is before the callee answers.
    """
    if kind is EventKind.GONE or (kind is None and party.peer is not None):
        return _CODES[PartyState.GONE]
    if kind is EventKind.MOVED:
        return _CODES[PartyState.DISCONNECTED]
    if party.connected and party.state in (PartyState.SETUP, PartyState.PROCEEDING):
        return "Answered"
    return _CODES[party.state]


def status(party: Party, kind: EventKind | None = None) -> dict[str, Any]:
    """Return a leg's status as parties show it, or as an event about it does."""
    code = status_code(party, kind)
    shown: dict[str, Any] = {"code": code}
    reason = _reason(party)
    if reason is not None:
        shown["reason"] = reason
    if party.state is PartyState.PARKED and party.park is not None and code == _CODES[PartyState.PARKED]:
        shown["parkData"] = party.park
    if party.peer is not None and code == _CODES[PartyState.GONE]:
        shown["peerId"] = identifiers.peer_id(party.peer)
    return shown


def _reason(party: Party) -> str | None:
    """Return why a leg is as it is, where RingCentral has a word for that."""
    if party.peer is not None:
        return CONFERENCE if party.peer.conference else ATTENDED
    if party.replied_at is not None:
        return _REPLIED
    if party.reason is not None and (party.state is PartyState.ANSWERED or party.cause is Cause.TRANSFERRED):
        return _MOVES[party.reason]
    if party.monitors is not None and party.state is PartyState.ANSWERED:
        return _SUPERVISING
    return _REASONS.get(party.cause) if party.state.final and party.cause is not None else None


def missed(party: Party) -> bool:
    """Tell whether a call came in for one of ours and ended without an answer or a refusal."""
    return (
        party.role is Role.CALLEE
        and party.ours
        and party.state.final
        and party.answered_at is None
        and party.cause in _UNANSWERED
    )
