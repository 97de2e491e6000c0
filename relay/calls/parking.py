"""Calls that nobody answers, or that wait: parked, picked up, left to a mailbox, replied to. Pure."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from relay.calls.endings import ids, leave, release_followers, settle, stopped
from relay.calls.events import EventKind
from relay.calls.happenings import LegParked, LegPickedUp, LegReplied, VoicemailReached
from relay.calls.joining import turn_to
from relay.calls.model import Party, PartyState, Reason, Role
from relay.calls.telling import Telling

ORBITS: Final = tuple(f"*{number}" for number in range(801, 900))
"""Parking places of an account, each for one call."""

MAX_PARKED: Final = 50
"""Calls of an account that may wait parked, as published for RingCentral."""


def park(call: Telling, party: Party, parked: LegParked) -> None:
    """Let a leg wait: an answered one, whose phone leaves the call, or one just made for it."""
    if party.state is PartyState.PARKED or not (party.present or _is_new(party)):
        return
    answered_at = call.now if party.answered_at is None else party.answered_at
    waiting = replace(
        party,
        state=PartyState.PARKED,
        park=parked.orbit,
        answered_at=answered_at,
        recordings=stopped(party),
    )
    call.tell(EventKind.PARKED, waiting)
    release_followers(call, waiting)
    settle(call)


def pick_up(call: Telling, party: Party, picked_up: LegPickedUp) -> None:
    """Put a phone's leg in the place of a parked one."""
    if party.state is not PartyState.PARKED or call.session.party(picked_up.picked_up) is not None:
        return
    remaining = ids(call.session.live_others(party))
    leave(call, party, None, Reason.PICKUP)
    taking = Party(
        id=picked_up.picked_up,
        role=party.role,
        address=picked_up.address,
        far=party.far,
        created_at=call.now,
        state=PartyState.ANSWERED,
        connected=True,
        answered_at=call.now,
        added_by=party.id,
        command_id=call.story.command_id,
        reason=Reason.PICKUP,
    )
    call.tell(EventKind.ANSWERED, taking)
    turn_to(call, remaining, [taking.address])
    settle(call)


def reach_voicemail(call: Telling, party: Party, _: VoicemailReached) -> None:
    """Let a mailbox answer; a caller who was not answered yet is by that."""
    if not _is_new(party):
        return
    call.tell(EventKind.VOICEMAIL, replace(party, state=PartyState.VOICEMAIL, answered_at=call.now))
    call.answer(call.session.waiting_callers)
    settle(call)


def reply(call: Telling, party: Party, _: LegReplied) -> None:
    """Have a message read to the caller of a leg that is alerted."""
    if party.alerted:
        call.tell(EventKind.REPLIED, replace(party, state=PartyState.SETUP, replied_at=call.now))


def _is_new(party: Party) -> bool:
    """Tell whether a leg has no phone, and nothing has become of it yet."""
    return party.state is PartyState.SETUP and party.role is Role.CALLEE and not party.ours
