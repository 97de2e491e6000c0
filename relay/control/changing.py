"""Carrying what a switch says into the journal: one change of a call, committed once or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from relay.calls.devices import Supervisor
from relay.calls.events import CallEvent
from relay.calls.happenings import Step
from relay.calls.model import Session
from relay.calls.presence import presence_changes
from relay.calls.transitions import apply_steps
from relay.control.situation import Situation
from relay.control.supervision import end_single_supervisions
from relay.control.turns import Turns
from relay.errors import ContendedError, NotAllowedNowError, NotParticipantError, SwitchUnavailableError
from relay.journal.commit import Change
from relay.journal.journal import Journal
from relay.journal.receipts import Receipt
from relay.switch.protocol import Switch
from relay.telemetry import log

MAX_TRIES: Final = 20
"""Tries against other processes; each loser knows that somebody won, so more would only be a storm."""

FIRST_PAUSE: Final = 0.002
LONGEST_PAUSE: Final = 0.1
"""Seconds: a pause is random, up to a bound that doubles from the first to the longest; 0.8 s in 20 tries."""

_log: Final = log.get("control")

Decide = Callable[[Situation], Awaitable[Sequence[Step]]]
"""Authorise and check against the situation as it stands, and return what then happens.

Asked again, with the new situation, when another process changed one of its sessions meanwhile.
"""


class Origin(NamedTuple):
    """Where a change comes from."""

    nonce: str
    """One word, the same each time the same change is tried."""
    command_id: str | None = None
    traceparent: str | None = None
    receipt: Receipt | None = None
    """Written with the change, where it may be asked for again."""


class Changing:
    """Applies happenings to sessions and commits them with their events and timers."""

    def __init__(self, journal: Journal, switch: Switch, now: Callable[[], int]) -> None:
        self._journal = journal
        self._switch = switch
        self._now = now
        self._turns = Turns()

    def __repr__(self) -> str:
        return f"<Changing {self._turns!r}>"

    async def place(self, account: str, session_id: str, decide: Decide, origin: Origin) -> Session:
        """Place a call by what ``decide`` returns; placing the same one again returns what became of it.

        Raises:
            SwitchUnavailableError: the switch placed no call.
            StoreUnavailableError: whether it was placed is not known; the same call may be placed again.

        """
        changed = await self._try(account, [], decide, origin)
        if changed is not None and session_id not in changed:
            raise SwitchUnavailableError(f"{self._switch.name} placed no call")
        # Its id follows from the command, so a session that is there already is this command's own.
        placed = changed[session_id] if changed else await self._journal.session(account, session_id)
        if placed is None:
            raise ContendedError("the call was lost while it was placed")
        return placed

    async def change(
        self, account: str, sessions: Sequence[Session], decide: Decide, origin: Origin
    ) -> dict[str, Session]:
        """Change sessions as just read by what ``decide`` returns; return them, and new ones, as they are.

        Raises:
            ContendedError: others changed them at every try.
            NotParticipantError: one is no longer there.
            StoreUnavailableError: whether the change was committed is not known.

        """
        async with self._turns.turns(session.id for session in sessions) as waited:
            if waited:
                sessions = await self._again(sessions)
            for tries in range(MAX_TRIES):
                changed = await self._try(account, sessions, decide, origin)
                if changed is not None:
                    return changed
                await asyncio.sleep(pause(tries, random.random()))  # noqa: S311 - spreads tries
                sessions = await self._again(sessions)
        _log.warning("a call is contended", session=sessions[0].id, tries=MAX_TRIES)
        raise ContendedError("others change this call all the time")

    async def _again(self, sessions: Sequence[Session]) -> list[Session]:
        found = await asyncio.gather(
            *(self._journal.session(session.account, session.id) for session in sessions)
        )
        there = [session for session in found if session is not None]
        if len(there) < len(sessions):
            raise NotParticipantError("the call is gone")
        return there

    async def _try(
        self, account: str, sessions: Sequence[Session], decide: Decide, origin: Origin
    ) -> dict[str, Session] | None:
        """Return the sessions as they are in the journal, or None where another version of one is."""
        situation = Situation(self._journal, account, sessions)
        await situation.read()
        try:
            steps = await decide(situation)
        except NotAllowedNowError:
            if await situation.stands():
                raise
            return None

        def applied(steps: Sequence[Step]) -> tuple[dict[str, Session], tuple[CallEvent, ...]]:
            return apply_steps(
                situation.sessions.values(),
                steps,
                self._time(situation),
                lines=situation.lines,
                command_id=origin.command_id,
                traceparent=origin.traceparent,
            )

        after, events = applied(steps)
        joined: list[Supervisor] = []
        while following := next(situation.supervisors(after.values(), joined), None):
            session, party, supervisor = following
            joined.append(supervisor)
            more = await self._switch.supervise(session, party, supervisor.address, supervisor.mode)
            steps = [*steps, *more]
            after, events = applied(steps)
        if await situation.read_swayed(after):
            after, events = applied(steps)
        before = situation.sessions
        changed = [session for session in after.values() if session is not before.get(session.id)]
        if not changed:
            return after
        committed = await self._commit(account, before, changed, events, origin)
        if committed is None:
            return None
        if joined:
            await end_single_supervisions(self._journal, account, joined, self._time(situation))
        return {**after, **committed}

    def _time(self, situation: Situation) -> int:
        """Return the time: clocks of processes differ, and what comes later is never told as earlier."""
        return max([self._now(), *(session.changed_at for session in situation.sessions.values())])

    async def _commit(
        self,
        account: str,
        before: Mapping[str, Session],
        changed: Sequence[Session],
        events: Sequence[CallEvent],
        origin: Origin,
    ) -> dict[str, Session] | None:
        was = [before[session.id] for session in changed if session.id in before]
        old = [timer for session in was for timer in self._switch.timers(session)]
        new = [timer for session in changed for timer in self._switch.timers(session)]
        committed = await self._journal.commit(
            account,
            [Change(session, before.get(session.id)) for session in changed],
            events,
            nonce=origin.nonce,
            presences=presence_changes(events),
            receipt=origin.receipt,
            timers=[timer for timer in new if timer not in old],
            done=[timer for timer in old if timer not in new],
        )
        if committed is None:
            return None
        if committed.already:
            return {session.id: session for session in await self._again(changed)}
        return {session.id: replace(session, version=session.version + 1) for session in changed}


def pause(tries: int, spread: float) -> float:
    """Return the seconds to wait after a lost try; ``spread`` is random, 0 to 1."""
    return spread * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**tries)
