"""A party's status: RingCentral's codes and reasons for the states and causes of a leg."""

from __future__ import annotations

from typing import Any, Final

from relay.calls.model import Cause, Party, PartyState, Role

_CODES: Final[dict[PartyState, str]] = {
    PartyState.SETUP: "Setup",
    PartyState.PROCEEDING: "Proceeding",
    PartyState.ANSWERED: "Answered",
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
}
"""Reasons of calls that did not come about; one that was simply hung up has none."""

_UNANSWERED: Final = frozenset({Cause.BUSY, Cause.NO_ANSWER, Cause.CANCELED})


def status_code(party: Party) -> str:
    """Return the status code of a leg.

    A caller counts as answered from when the switch has taken the leg, which is before the callee answers.
    """
    if party.connected and party.state in (PartyState.SETUP, PartyState.PROCEEDING):
        return "Answered"
    return _CODES[party.state]


def status(party: Party) -> dict[str, Any]:
    """Return a leg's status as parties show it."""
    shown = {"code": status_code(party)}
    if party.state is PartyState.DISCONNECTED and party.cause in _REASONS:
        shown["reason"] = _REASONS[party.cause]
    return shown


def missed(party: Party) -> bool:
    """Tell whether a call came in for one of ours and ended without an answer or a refusal."""
    return (
        party.role is Role.CALLEE
        and party.ours
        and party.state.final
        and party.answered_at is None
        and party.cause in _UNANSWERED
    )
