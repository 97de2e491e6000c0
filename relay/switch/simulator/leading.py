"""What follows when a user leads a call elsewhere: to somebody, a mailbox, a parking place. Pure."""

from __future__ import annotations

from typing import Any

from relay.calls import commands
from relay.calls.happenings import (
    Happening,
    LegParked,
    LegPickedUp,
    LegTransferred,
    Step,
    VoicemailReached,
)
from relay.calls.identifiers import leg_id
from relay.calls.model import Address, Party, Reason, Session
from relay.calls.parking import ORBITS
from relay.switch.protocol import Request, Route
from relay.switch.simulator.moves import alerted, made, outcome, reached

Steps = tuple[Step, ...]


def at(session: Session, *happenings: Happening) -> Steps:
    """Return what happens to one session."""
    return tuple(Step(session.id, happening) for happening in happenings)


def destination(request: Request) -> tuple[Route, dict[str, Any]]:
    """Return where the action leads, and the user data it brings."""
    assert isinstance(request.action, commands.Adding)  # noqa: S101 - the table says so
    assert request.to is not None, "control says where a destination leads"  # noqa: S101
    return reached(request.session, request.to), request.action.user_data


def transfer(request: Request) -> Steps:
    """Ring the target for whoever stays; the leg leaves without waiting for what comes of it."""
    to, user_data = destination(request)
    left = _left(request, to.address, user_data=user_data)
    return at(request.session, left, outcome(left.target, to))


def to_voicemail(request: Request) -> Steps:
    """Have a mailbox answer in the leg's place: as the same party if it is that of the user who is rung."""
    assert request.mailbox is not None, "control finds the mailbox"  # noqa: S101
    party = request.party
    own = party.alerted and party.address.user_id == request.mailbox.user_id
    left = _left(request, request.mailbox, reason=Reason.MAILBOX if own else None)
    return at(request.session, left, VoicemailReached(leg=left.target.leg))


def to_orbit(request: Request) -> Steps:
    """Leave the call in the parking place that was named."""
    assert isinstance(request.action, commands.TransferToOrbit)  # noqa: S101 - the table says so
    left = _left(request, Address(number=request.action.orbit))
    return at(request.session, left, LegParked(leg=left.target.leg, orbit=request.action.orbit))


def flip(request: Request) -> Steps:
    """Ring another phone of one's own beside the leg; the same one only rings once the leg has left it."""
    assert request.to is not None, "control says which phone"  # noqa: S101
    session, party, to = request.session, request.party, request.to
    if to.address.device_id == party.address.device_id:
        left = _left(request, to.address, reason=Reason.FLIP)
        return at(session, left, outcome(left.target, to))
    far = _far(session, party)
    added = made(session.id, len(session.parties) + 1, to, far, added_by=party.id, flips=True)
    return at(session, *alerted(added, to))


def park(request: Request) -> Steps:
    """Leave the call in the first parking place that is free."""
    orbit = next(orbit for orbit in ORBITS if orbit not in request.parked)
    return at(request.session, LegParked(leg=request.party.id, orbit=orbit))


def pick_up(request: Request) -> Steps:
    """Put one's own phone in the place of a parked leg."""
    assert request.to is not None, "control says which phone"  # noqa: S101
    session = request.session
    leg = leg_id(session.id, len(session.parties) + 1)
    return at(session, LegPickedUp(leg=request.party.id, picked_up=leg, address=request.to.address))


def _left(
    request: Request, address: Address, *, reason: Reason | None = None, **made_with: Any
) -> LegTransferred:
    """Return how the leg leaves its place to a new one, whose far end is who stays."""
    session, party = request.session, request.party
    target = made(session.id, len(session.parties) + 1, Route(address), _far(session, party), **made_with)
    return LegTransferred(leg=party.id, target=target, reason=reason)


def _far(session: Session, party: Party) -> Address:
    """Return whom a leg that comes for another has at its far end."""
    stay = [other for other in session.participants(party) if other.monitors is None]
    return stay[0].address if len(stay) == 1 else party.address
