"""Carrying what a switch says into the journal: one change of a call, committed once or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from relay.calls.events import CallEvent
from relay.calls.happenings import Happening
from relay.calls.model import Session
from relay.calls.transitions import apply_all
from relay.control.turns import Turns
from relay.errors import ContendedError, NotParticipantError, SwitchUnavailableError
from relay.journal.commit import Change
from relay.journal.journal import Journal
from relay.switch.protocol import Dial, Switch
from relay.telemetry import log

MAX_TRIES: Final = 20
"""Tries against other processes; each loser knows that somebody won, so more would only be a storm."""

FIRST_PAUSE: Final = 0.002
LONGEST_PAUSE: Final = 0.1
"""Seconds: a pause is random, up to a bound that doubles from the first to the longest; 0.8 s in 20 tries."""

_log: Final = log.get("control")

Decide = Callable[[Session], Awaitable[Sequence[Happening]]]
"""Authorise and check against the session as it stands, and return what then happens to it.

Asked again, with the new state, when another process changed the session meanwhile.
"""


class Origin(NamedTuple):
    """Where a change comes from."""

    nonce: str
    """One word, the same each time the same change is tried."""
    command_id: str | None = None
    traceparent: str | None = None


class Changing:
    """Applies happenings to sessions and commits them with their events and timers."""

    def __init__(self, journal: Journal, switch: Switch, now: Callable[[], int]) -> None:
        self._journal = journal
        self._switch = switch
        self._now = now
        self._turns = Turns()

    def __repr__(self) -> str:
        return f"<Changing {self._turns!r}>"

    async def place(self, dial: Dial, origin: Origin) -> Session:
        """Place a call; placing the same one again returns what became of it.

        Raises:
            SwitchUnavailableError: the switch placed no call.
            StoreUnavailableError: whether it was placed is not known; the same call may be placed again.

        """
        happenings = await self._switch.place(dial)
        after, events = self._applied(None, happenings, self._now(), origin)
        if after is None:
            raise SwitchUnavailableError(f"{self._switch.name} placed no call")
        placed = await self._commit(None, after, events, origin)
        if placed is None:
            # Its id follows from the command, so a session that is there already is this command's own.
            placed = await self._journal.session(dial.account, dial.session_id)
        if placed is None:
            raise ContendedError("the call was lost while it was placed")
        return placed

    async def change(self, session: Session, decide: Decide, origin: Origin) -> Session:
        """Change a session as just read by what ``decide`` returns, and return it as it is then.

        Raises:
            ContendedError: others changed it at every try.
            NotParticipantError: it is no longer there.
            StoreUnavailableError: whether the change was committed is not known.

        """
        async with self._turns.turn(session.id) as waited:
            if waited:
                session = await self._again(session)
            for tries in range(MAX_TRIES):
                changed = await self._try(session, decide, origin)
                if changed is not None:
                    return changed
                await asyncio.sleep(pause(tries, random.random()))  # noqa: S311 - spreads tries
                session = await self._again(session)
        _log.warning("a call is contended", session=session.id, tries=MAX_TRIES)
        raise ContendedError("others change this call all the time")

    async def _again(self, session: Session) -> Session:
        found = await self._journal.session(session.account, session.id)
        if found is None:
            raise NotParticipantError("the call is gone")
        return found

    async def _try(self, session: Session, decide: Decide, origin: Origin) -> Session | None:
        happenings = await decide(session)
        # Clocks of processes differ, and step: what comes later is never told with an earlier time.
        now = max(self._now(), session.changed_at)
        after, events = self._applied(session, happenings, now, origin)
        if after is None or after is session:
            return session
        return await self._commit(session, after, events, origin)

    def _applied(
        self, session: Session | None, happenings: Sequence[Happening], now: int, origin: Origin
    ) -> tuple[Session | None, tuple[CallEvent, ...]]:
        return apply_all(
            session, happenings, now, command_id=origin.command_id, traceparent=origin.traceparent
        )

    async def _commit(
        self, before: Session | None, after: Session, events: Sequence[CallEvent], origin: Origin
    ) -> Session | None:
        """Return the session as it is in the journal, or None where another version of it is."""
        old = self._switch.timers(before) if before is not None else ()
        new = self._switch.timers(after)
        committed = await self._journal.commit(
            after.account,
            [Change(session=after)],
            events,
            nonce=origin.nonce,
            timers=[timer for timer in new if timer not in old],
            done=[timer for timer in old if timer not in new],
        )
        if committed is None:
            return None
        if committed.already:
            return await self._journal.session(after.account, after.id)
        return replace(after, version=after.version + 1)


def pause(tries: int, spread: float) -> float:
    """Return the seconds to wait after a lost try; ``spread`` is random, 0 to 1."""
    return spread * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**tries)
