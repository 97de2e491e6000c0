"""What relay asks of a switch, and what it is told in return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from relay.calls.commands import LegAction
from relay.calls.happenings import Step
from relay.calls.model import Address, MonitorMode, Party, Session
from relay.journal.commit import Timer


class Route(NamedTuple):
    """Where a destination leads, its forwarding followed."""

    address: Address
    refuses: bool = False
    """Its device takes no calls now: whoever is led there finds it busy."""


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be placed. Its legs' ids follow from ``session_id`` (`relay.calls.identifiers.leg_id`)."""

    session_id: str
    account: str
    caller: Address
    destination: Address
    """What was dialled."""
    to: Route
    """Where that leads; of a two-step call, it is asked for again when the caller has picked up."""
    shown_as: Address | None = None
    """The caller as the called one sees it, where that is not the caller's own address."""
    two_step: bool = False
    user_data: dict[str, Any] = {}


class Request(NamedTuple):
    """What a leg's user asks for, and all it concerns."""

    session: Session
    party: Party
    action: LegAction
    other: tuple[Session, Party] | None = None
    """The device's other call and its leg there, for actions on two calls."""
    to: Route | None = None
    """Where the action's destination leads."""
    consult: str = ""
    """Id of the session that a consult call gets."""
    target: Party | None = None
    """The participant to remove."""
    mailbox: Address | None = None
    """Whose mailbox is to answer."""
    parked: frozenset[str] = frozenset()
    """Parking places of the account that are taken."""


class Switch(Protocol):
    """A telephone switch.

    Its answer to a command is what has happened by then; whatever happens later arrives by itself (from the
    simulator by timers, from a real switch by its event link). An empty answer means "accepted".
    A command is asked for again when another process changed the call meanwhile: a switch that acts at once
    on the outside world returns no happenings, so that nothing can be asked of it twice.

    Its commands raise SwitchUnavailableError when the switch cannot be reached.
    """

    @property
    def name(self) -> str:
        """What ``RELAY_SWITCH`` calls it."""

    async def place(self, dial: Dial) -> Sequence[Step]:
        """Place a call; the first step is its `CallPlaced`."""

    async def act(self, request: Request) -> Sequence[Step]:
        """Carry out what a leg's user asks; control has checked that the leg allows it."""

    async def confer(self, session_id: str, account: str, host: Address) -> Sequence[Step]:
        """Place a conference that a device of ours owns; the first step is its `CallPlaced`."""

    async def supervise(
        self, session: Session, monitored: Party, supervisor: Address, mode: MonitorMode
    ) -> Sequence[Step]:
        """Let a supervisor's device take part in the call of a leg that was picked up."""

    def timers(self, session: Session) -> Sequence[Timer]:
        """Return what falls due for the session as it stands; control commits the changes of this with it."""
