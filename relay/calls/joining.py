"""How calls grow and come together: a leg added, a leg's place taken, two calls made one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from relay.calls.endings import ids, leave, leave_to_mailbox, move_away, settle
from relay.calls.events import EventKind
from relay.calls.happenings import LegMade
from relay.calls.model import Address, Party, PartyState, Peer, Reason, Role
from relay.calls.telling import Telling
from relay.calls.user_data import merged, user_data_fits


def add_leg(call: Telling, inviter: Party, made: LegMade) -> None:
    """Add a leg to the call of a leg that holds a conference by it, or may go on as it."""
    others = ids(call.session.live_others(inviter))
    _make(call, made, inviter.id)
    call.tell(EventKind.PARTICIPANTS, inviter if made.flips else replace(inviter, owner=True))
    call.tell_each(EventKind.PARTICIPANTS, others)


def finish_flip(call: Telling, flipped: Party, party: Party) -> None:
    """Have the leg of the one phone leave, as that of the other was answered."""
    remaining = ids(other for other in call.session.live_others(flipped) if other.id != party.id)
    leave(call, flipped, None, Reason.FLIP)
    call.tell_each(EventKind.PARTICIPANTS, [party.id])
    turn_to(call, remaining, [party.address])


def transfer(call: Telling, leaver: Party, target: LegMade, reason: Reason | None = None) -> None:
    """Put a new leg in the place of one that leaves, which may not have been answered yet."""
    remaining = ids(call.session.live_others(leaver))
    if reason is Reason.MAILBOX:
        leave_to_mailbox(call, leaver)
    else:
        leave(call, leaver, None, reason)
    _make(call, target, leaver.id)
    turn_to(call, remaining, [target.address])
    if leaver.present:
        settle(call)


def join(call: Telling, own: Party, donor: Telling, other: Party, *, leaves: bool) -> None:
    """Bring the legs of a donor session into a call, where a device has a leg in both.

    Its leg leaves the donor, and the call too if this is a transfer; if not, it talks on here with everybody.
    Supervisors do not come along. Nothing happens unless both legs are live.
    """
    if not (own.live and other.live):
        return
    stayed = ids(call.session.live_others(own))
    comers = ids(party for party in donor.session.live_others(other) if party.monitors is None)
    here, there = _peer(call, own), _peer(donor, other)
    if leaves:
        leave(call, own, there)
    leave(donor, other, here)
    moved = _move(donor, call, comers)
    if not leaves:
        _host(call, own.id)
    _merge_user_data(call, donor)
    addresses = [party.address for party in call.living(stayed) if party.monitors is None]
    for party in moved:
        call.put(replace(party, far=addresses[0] if leaves and len(addresses) == 1 else party.far))
    call.tell_each(EventKind.JOINED, ids(moved))
    if leaves:
        turn_to(call, stayed, [party.address for party in moved])
    else:
        call.tell_each(EventKind.PARTICIPANTS, [own.id, *stayed])
    settle(call)


def _make(call: Telling, made: LegMade, added_by: str) -> None:
    call.put_user_data(merged(call.session.user_data, made.user_data))
    party = Party(
        id=made.leg,
        role=Role.CALLEE,
        address=made.address,
        far=made.far,
        created_at=call.now,
        added_by=added_by,
        command_id=call.story.command_id,
        reason=Reason.FLIP if made.flips else None,
    )
    if party.ours:
        call.tell(EventKind.SETUP, party)
    else:
        call.put(party)


def turn_to(call: Telling, stayed: Sequence[str], comers: Sequence[Address]) -> None:
    """Tell those who stayed of whom they have at the other end now."""
    alone = len([party for party in call.living(stayed) if party.monitors is None]) == len(comers) == 1
    for party in call.living(stayed):
        turned = alone and party.monitors is None
        call.tell(EventKind.TRANSFERRED, replace(party, far=comers[0]) if turned else party)


def _move(donor: Telling, call: Telling, legs: Sequence[str]) -> list[Party]:
    """Take legs out of a donor; one whose device has a leg in the call already has no place there."""
    moved, comers = [], 0
    taken = {party.address.device_id for party in call.session.parties if party.live and party.ours}
    for party in donor.living(legs):
        if party.address.device_id in taken:
            leave(donor, party, None)
        else:
            place = call.session.place(party.id) or len(call.session.parties) + comers + 1
            comers += place > len(call.session.parties)
            move_away(donor, party, Peer(call.session.id, party.id, place, call.session.conference))
            moved.append(party)
    return moved


def _peer(call: Telling, party: Party) -> Peer:
    return Peer(call.session.id, party.id, call.session.place(party.id), call.session.conference)


def _host(call: Telling, leg: str) -> None:
    """Have a leg hold the conference it has made, and talk if it was held."""
    for own in call.living([leg]):
        host = replace(own, owner=True)
        if own.state is PartyState.HELD:
            call.tell(EventKind.RETRIEVED, replace(host, state=PartyState.ANSWERED))
        else:
            call.put(host)


def _merge_user_data(call: Telling, donor: Telling) -> None:
    """Keep what either call carried, the call's own first; where that is too much, its own alone."""
    both = merged(donor.session.user_data, call.session.user_data)
    if both != call.session.user_data and user_data_fits(both):
        call.put_user_data(both)
