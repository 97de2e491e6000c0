"""Calls as the pure model makes them, for tests that need no service."""

from __future__ import annotations

from typing import Any

from relay.calls.events import CallEvent, EventId, EventKind
from relay.calls.happenings import CallPlaced, Happening
from relay.calls.model import Address, CallType
from tests.harness.happening import apply

SESSION = "5f0c7c0e-3a0e-4b0f-9a53-0a1f7b1c2d3e"
CALLER_LEG = "b6b87eb5-04e4-4838-81b6-fe6bfa6936bf"
CALLEE_LEG = "0d8a2c1b-6a55-4bb2-8f43-2b9c1a7d4e60"
START = 1_763_717_404_218
EVENT_ID = EventId(7, f"{START}-0")

JANE = Address(
    number="15000",
    name="Jane Doe",
    extension="210",
    user_id="0123456789abcdef0123456789abcdef",
    device_id="631608b3-ceb1-472b-ba05-2ae39555b0d1",
)
JOHN = Address(
    number="15002",
    name="John Doe",
    extension="200",
    user_id="fedcba9876543210fedcba9876543210",
    device_id="7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11",
)
OUTSIDE = Address(number="+12025550123")


class Told:
    """A call that happenings are told of one after another, each a second after the one before."""

    def __init__(
        self,
        caller: Address = JANE,
        destination: Address = JOHN,
        kind: CallType = CallType.INTERNAL,
        user_data: dict[str, Any] | None = None,
    ) -> None:
        self.now = START
        placed = CallPlaced(
            session_id=SESSION,
            account="b11d749b-8eb7-4236-a068-3d94ba3860d6",
            type=kind,
            caller_leg=CALLER_LEG,
            caller=caller,
            destination=destination,
            user_data=user_data or {},
        )
        self.session, self.events = apply(None, placed, self.now)

    def then(self, *happenings: Happening) -> Told:
        """Tell of what happened next; `events` are those of the last happening."""
        for happening in happenings:
            self.now += 1000
            self.session, self.events = apply(self.session, happening, self.now)
        return self

    def event(self, kind: EventKind, leg: str = CALLER_LEG) -> CallEvent:
        """Return the last happening's event of that kind about that leg."""
        return next(event for event in self.events if (event.kind, event.party_id) == (kind, leg))
