"""Calls of the demo's people as the pure model makes them, for tests that need no service."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.calls.events import CallEvent, EventId
from relay.calls.happenings import CallPlaced, Happening, LegAnswered, LegEnded, LegMade, LegRinging
from relay.calls.model import Address, CallType, Cause, call_type
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.notifications import renderer
from relay.directory.loading import demo
from tests.harness.happening import apply

ACCOUNT: Final = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
SESSION: Final = "5f0c7c0e-3a0e-4b0f-9a53-0a1f7b1c2d3e"
HEX: Final = "5f0c7c0e3a0e4b0f9a530a1f7b1c2d3e"
START: Final = 1_763_717_404_218
DIRECTORY: Final = demo()
IDENTITIES: Final = Identities(DIRECTORY)
JANE: Final = DIRECTORY.address(ACCOUNT, "631608b3-ceb1-472b-ba05-2ae39555b0d1")
JOHN: Final = DIRECTORY.address(ACCOUNT, "7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11")
OUTSIDE: Final = Address(number="+12025550123")

ONE, TWO = "leg-one", "leg-two"
RINGS = LegRinging(leg=TWO)
ANSWERS = LegAnswered(leg=TWO)

_render = renderer(IDENTITIES)


def hangs_up(leg: str, cause: Cause | None = None) -> LegEnded:
    """Return a leg's end."""
    return LegEnded(leg=leg, cause=cause)


class Story:
    """A call that happenings are told of one after another, each a second after the one before."""

    def __init__(
        self, caller: Address = JANE, destination: Address = JOHN, *, two_step: bool = False
    ) -> None:
        self.caller, self.destination = caller, destination
        self.now = START
        kind: CallType = call_type(caller, destination)
        placed = CallPlaced(
            session_id=SESSION,
            account=ACCOUNT,
            type=kind,
            caller_leg=ONE,
            caller=caller,
            destination=destination,
            two_step=two_step,
        )
        self.session, events = apply(None, placed, self.now)
        self.events: list[CallEvent] = list(events)

    @property
    def called(self) -> LegMade:
        """The callee's leg is made."""
        return LegMade(leg=TWO, address=self.destination, far=self.caller)

    def then(self, *happenings: Happening) -> Story:
        """Tell of what happened next."""
        for happening in happenings:
            self.now += 1000
            self.session, events = apply(self.session, happening, self.now)
            self.events += events
        return self

    def notifications(self) -> list[dict[str, Any]]:
        """Return what RingCentral subscribers are told, in order."""
        rendered = (
            _render(EventId(7, f"{event.time}-{place}"), event) for place, event in enumerate(self.events)
        )
        return [msgspec.json.decode(one.body) for one in rendered if one is not None]

    def trace(self) -> list[str]:
        """Return one line per notification: ``2 p-1 Outbound 210 Setup``, ``account`` for a leg outside."""
        return [brief(notification) for notification in self.notifications()]


def brief(notification: dict[str, Any]) -> str:
    """Return a notification as one line: sequence, party, direction, whose resource, code and reason."""
    body = notification["body"]
    [party] = body["parties"]
    head, _, _ = notification["event"].partition("/telephony/sessions")
    owner = head.rpartition("/extension/")[2][-3:] if "/extension/" in head else "account"
    status = party["status"]
    number = party["id"].rpartition("-")[2]
    words = (str(body["sequence"]), f"p-{number}", party["direction"], owner, status["code"])
    return " ".join((*words, *([status["reason"]] if "reason" in status else [])))
