"""What relay asks of a switch, and what it is told in return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from relay.calls.commands import LegAction
from relay.calls.happenings import Happening
from relay.calls.model import Address, Party, Session
from relay.journal.commit import Timer


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be placed. Its legs' ids follow from ``session_id`` (`relay.calls.identifiers.leg_id`)."""

    session_id: str
    account: str
    caller: Address
    destination: Address
    two_step: bool = False
    user_data: dict[str, Any] = {}


class Switch(Protocol):
    """A telephone switch.

    Its answer to a command is what has happened by then; whatever happens later arrives by itself (from the
    simulator by timers, from a real switch by its event link). An empty answer means "accepted".
    A command is asked for again when another process changed the call meanwhile: a switch that acts at once
    on the outside world returns no happenings, so that nothing can be asked of it twice.

    Both commands raise SwitchUnavailableError when the switch cannot be reached.
    """

    @property
    def name(self) -> str:
        """What ``RELAY_SWITCH`` calls it."""

    async def place(self, dial: Dial) -> Sequence[Happening]:
        """Place a call; the first happening is its `CallPlaced`."""

    async def act(self, session: Session, party: Party, action: LegAction) -> Sequence[Happening]:
        """Carry out what a leg's user asks; control has checked that the leg allows it."""

    def timers(self, session: Session) -> Sequence[Timer]:
        """Return what falls due for the session as it stands; control commits the changes of this with it."""
