"""Who may see and operate which leg. Pure; the sessions are those of the principal's account already."""

from __future__ import annotations

from relay.calls.model import Party, Session
from relay.directory.model import Principal
from relay.errors import NotParticipantError


def owns(principal: Principal, party: Party) -> bool:
    """Tell whether the leg is at one of the user's own phones."""
    return party.ours and party.address.user_id == principal.user.id


def sees(principal: Principal, party: Party) -> bool:
    """Tell whether the user may read the leg: an admin every leg of ours, an agent the own ones."""
    return party.ours and (principal.is_admin or owns(principal, party))


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
        NotParticipantError: it is unknown, another user's, or has ended; which of them is not told.

    """
    party = session.party(leg)
    if party is None or not party.live or not owns(principal, party):
        raise NotParticipantError(f"{leg[:64]} is no active call leg of yours")
    return party
