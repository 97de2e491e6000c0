"""Which leg of a session a user sees as *the call*. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from relay.calls.model import Party, Session
from relay.control.permissions import owns, sees
from relay.directory.model import Principal

READABLE_AFTER_RELEASE: Final = 60_000
"""Milliseconds a released call can still be read."""


def own_leg(session: Session, principal: Principal) -> Party | None:
    """Return the user's leg of a session: one that lives before one that ended."""
    return _chosen(leg for leg in session.parties if owns(principal, leg))


def shown_leg(session: Session, principal: Principal) -> Party | None:
    """Return the leg a user reads: their own; an admin without one, the first that is ours; or None."""
    return own_leg(session, principal) or _chosen(leg for leg in session.parties if sees(principal, leg))


def readable(leg: Party, now: int) -> bool:
    """Whether the leg's call can be read: it lives, or was released within the minute before `now`."""
    return leg.ended_at is None or now - leg.ended_at < READABLE_AFTER_RELEASE


def _chosen(legs: Iterable[Party]) -> Party | None:
    """Return the first leg that lives, or the first."""
    found = list(legs)
    return next((leg for leg in found if leg.live), found[0] if found else None)
