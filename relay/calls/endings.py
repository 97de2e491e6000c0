"""How legs and calls end: who goes with whom, and for what cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from relay.calls.events import EventKind
from relay.calls.model import Cause, Party, PartyState, Peer, Reason, Recording, RecordingState, Role, Session
from relay.calls.telling import Telling


def end_leg(call: Telling, party: Party, cause: Cause | None, by: str | None = None) -> None:
    """End a live leg, and with it all others unless enough stay to go on.

    Without a cause it follows from who did it, and when. ``by`` is the extension of who had it ended, where
    that is not its own user.
    """
    if by is None and cause in (None, Cause.REJECTED):
        by = party.address.extension
    found = cause or _cause_of_release(call.session, party)
    others = ids(call.session.live_others(party))
    _release(call, party, found, by)
    if not goes_on(call.session):
        for other in call.living(others):
            _release(call, other, found, by)
    elif not party.hidden:
        call.classify()
        for other in call.living(others):
            if party.added_by == other.id and not party.present:
                failed = {"participant": party.address.number, "cause": found.value}
                call.tell(EventKind.FAILED, other, failed)
            else:
                call.tell(EventKind.PARTICIPANTS, other)


def end_all(call: Telling, party: Party) -> None:
    """End every leg at the wish of one of them, that one first."""
    for ending in call.living([party.id, *ids(call.session.live_others(party))]):
        _release(call, ending, Cause.NORMAL, party.address.extension)


def leave(call: Telling, party: Party, peer: Peer | None, reason: Reason | None = None) -> None:
    """End a leg whose call goes on without it, there with its peer where it has one."""
    party = replace(party, reason=reason)
    if peer is not None:
        party = replace(party, peer=peer)
        call.tell(EventKind.GONE, party)
        party = call.session.party(party.id) or party
    _release(call, party, Cause.TRANSFERRED, party.address.extension)


def leave_to_mailbox(call: Telling, party: Party) -> None:
    """End the leg of a phone whose user refuses the call, for a mailbox to take its place."""
    released = replace(
        party,
        state=PartyState.DISCONNECTED,
        cause=Cause.REJECTED,
        reason=Reason.MAILBOX,
        ended_by=party.address.extension,
        ended_at=call.now,
    )
    call.tell(EventKind.RELEASED, released)


def move_away(call: Telling, party: Party, to: Peer) -> None:
    """Take a leg out of a session because it goes on in another; its numbering goes with it."""
    call.tell(EventKind.GONE, replace(party, peer=to))
    gone = replace(party, peer=to, state=PartyState.GONE, cause=Cause.TRANSFERRED, ended_at=call.now)
    call.tell(EventKind.MOVED, gone)
    release_followers(call, party)


def settle(call: Telling) -> None:
    """End a session that was joined if nobody is left in it to talk with."""
    if not goes_on(call.session):
        for party in call.living(ids(call.session.parties)):
            _release(call, party, Cause.NORMAL, None)


def goes_on(session: Session) -> bool:
    """Tell whether the live legs make a call: two beside supervisors' or more, not all still to answer.

    Who owns a conference that was placed as one may be alone in it. A phone to go on at counts once answered.
    """
    live = [one for one in session.parties if one.live and one.monitors is None and not one.flipping]
    present = [party for party in live if party.present]
    waits = session.conference and any(party.owner for party in present)
    return bool(present) and (len(live) > 1 or waits)


def ids(parties: Iterable[Party]) -> list[str]:
    """Return the ids of legs."""
    return [party.id for party in parties]


def _cause_of_release(session: Session, party: Party) -> Cause:
    """Tell why a leg that was simply released ended: it depends on who did it, and on the others' states."""
    if party.role is Role.CALLEE and not party.picked_up:
        return Cause.REJECTED
    others = session.participants(party)
    talked = any(other.picked_up for other in others) or (session.conference and not others)
    return Cause.NORMAL if party.picked_up and talked else Cause.CANCELED


def _release(call: Telling, party: Party, cause: Cause, by: str | None) -> None:
    ended = replace(
        party,
        state=PartyState.DISCONNECTED,
        cause=cause,
        ended_by=by,
        ended_at=call.now,
        recordings=stopped(party),
    )
    call.tell(EventKind.ENDED, ended)
    release_followers(call, party)
    for monitored in call.living([party.monitors] if party.monitors else []):
        if monitored.silenced:  # nobody else could ever let it be heard again
            call.tell(EventKind.UNSILENCED, replace(monitored, silenced=False))


def stopped(party: Party) -> tuple[Recording, ...]:
    """Return a leg's recordings with the one that runs stopped."""
    return tuple(Recording(one.id, RecordingState.STOPPED) for one in party.recordings)


def release_followers(call: Telling, party: Party) -> None:
    """End the legs of those who supervise a leg that left, and of phones it is being flipped to."""
    others = call.session.live_others(party)
    followers = [other.id for other in others if party.id in (other.monitors, _flipped(other))]
    for follower in call.living(followers):
        _release(call, follower, Cause.CANCELED if follower.flipping else Cause.NORMAL, None)


def _flipped(party: Party) -> str | None:
    return party.added_by if party.flipping else None
