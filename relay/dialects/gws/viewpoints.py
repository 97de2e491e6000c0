"""Which leg of a session a user sees as *the call*. Pure."""

from __future__ import annotations

from typing import Final

from relay.calls.model import Party, Session
from relay.directory.model import Principal
from relay.errors import NotAllowedError, NotFoundError

READABLE_AFTER_RELEASE: Final = 60_000
"""Milliseconds a released call can still be read."""


def own_leg(session: Session, principal: Principal) -> Party | None:
    """Return the user's leg of a session: one that lives before one that ended."""
    legs = [leg for leg in session.parties if leg.ours and leg.address.user_id == principal.user.id]
    return next((leg for leg in legs if leg.live), legs[-1] if legs else None)


def shown_leg(session: Session, principal: Principal) -> Party | None:
    """Return the leg a user may read: their own; an admin without one, the first that is ours."""
    own = own_leg(session, principal)
    if own is not None or not principal.is_admin:
        return own
    return next((leg for leg in session.parties if leg.ours), None)


def readable_leg(session: Session | None, principal: Principal, now: int) -> Party:
    """Return the leg to show of the session that was asked for.

    Raises:
        NotFoundError: there is no such session, or it was released too long ago.
        NotAllowedError: it is another user's.

    """
    if session is None:
        raise NotFoundError("Call not found")
    leg = shown_leg(session, principal)
    if leg is None:
        raise NotAllowedError("The call belongs to another user")
    if leg.ended_at is not None and now - leg.ended_at >= READABLE_AFTER_RELEASE:
        raise NotFoundError("Call not found")
    return leg
