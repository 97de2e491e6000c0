"""Who may see and operate which leg. Pure; the sessions are those of the principal's account already."""

from __future__ import annotations

from relay.calls.model import Party, PartyState, Session
from relay.directory.model import Principal
from relay.errors import NotAllowedError, NotParticipantError


class LegMovedError(NotParticipantError):
    """The leg has just gone on in another session, where it may be operated."""


def owns(principal: Principal, party: Party) -> bool:
    """Tell whether the leg is at one of the user's own phones."""
    return party.ours and party.address.user_id == principal.user.id


def sees(principal: Principal, party: Party) -> bool:
    """Tell whether the user may read the leg: an admin every leg of ours, an agent the own ones."""
    return party.ours and (principal.is_admin or owns(principal, party))


def sees_call(principal: Principal, session: Session) -> bool:
    """Tell whether the user may read a call: one with a leg to see, or that anybody may pick up."""
    return any(sees(principal, party) or party.state is PartyState.PARKED for party in session.parties)


def check_supervisor(principal: Principal) -> None:
    """Check that the user may take part in others' calls: an admin may; NotAllowedError if not."""
    if not principal.is_admin:
        raise NotAllowedError("only a supervisor may take part in others' calls")


def own_leg(principal: Principal, session: Session) -> Party:
    """Return the user's leg of a session, a live one if there are several.

    Raises:
        NotParticipantError: the user has none.

    """
    own = [party for party in session.parties if owns(principal, party)]
    if not own:
        raise NotParticipantError("you have no leg in this call")
    return next((party for party in own if party.live), own[-1])


def active_leg(principal: Principal, session: Session, leg: str) -> Party:
    """Return a leg that the user may operate.

    Raises:
        LegMovedError: it is the user's and goes on in another session.
        NotParticipantError: it is unknown, another user's, or has ended; which of them is not told.

    """
    party = leg_of_ones_own(principal, session, leg)
    if party.state is PartyState.GONE:
        raise LegMovedError(f"{leg[:64]} is in another call now")
    if not party.live:
        raise no_active_leg(leg)
    return party


def leg_to_pick_up(principal: Principal, session: Session, leg: str) -> Party:
    """Return a leg that the user may pick up if it lists that: anybody's that is parked, or an own one.

    Raises:
        LegMovedError: it goes on in another session.
        NotParticipantError: it is not parked, and not the user's to operate.

    """
    party = session.party(leg)
    if party is not None and party.state is PartyState.GONE:
        raise LegMovedError(f"{leg[:64]} is in another call now")
    if party is not None and party.state is PartyState.PARKED:
        return party
    return active_leg(principal, session, leg)


def leg_of_ones_own(principal: Principal, session: Session, leg: str) -> Party:
    """Return a leg of the user's, live or ended.

    Raises:
        NotParticipantError: it is unknown or another user's.

    """
    party = session.party(leg)
    if party is None or not owns(principal, party):
        raise no_active_leg(leg)
    return party


def no_active_leg(leg: str) -> NotParticipantError:
    """Return the error for a leg the user cannot operate."""
    return NotParticipantError(f"{leg[:64]} is no active call leg of yours")
