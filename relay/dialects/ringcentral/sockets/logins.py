"""Learning that a login has ended, wherever it was ended: the sockets it has opened end with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from relay.dialects.ringcentral.tokens import Caller, Tokens
from relay.journal.record import Entry
from relay.streaming.hub import Hub
from relay.streaming.members import Gap, Member
from relay.streaming.replay import patiently


@dataclass(frozen=True)
class _Nothing:
    """Selects no event: what counts is the record that interrupts."""

    routes: tuple[str, ...] = ("nothing",)

    def pick(self, entries: Sequence[Entry]) -> None:
        del entries


class LoginWatch(Member[None]):
    """Looks whether a login goes on: when the journal says, or may have said, that it ends, and now and then.

    The latter because nothing tells of a login that is not refreshed in time.
    """

    def __init__(self, caller: Caller, tokens: Tokens, hub: Hub) -> None:
        self._caller = caller
        self._tokens = tokens
        self._hub = hub
        self._rang = asyncio.Event()

    def __repr__(self) -> str:
        return f"LoginWatch({self._caller.principal.user.id}{', rang' * self._rang.is_set()})"

    async def ended(self, look_seconds: float) -> None:
        """Wait until the login has ended, and look so often without being told to.

        Raises:
            DrainingError: the process stops.

        """
        account = self._caller.principal.account
        while True:
            self._rang.clear()
            link = await self._hub.join(account, self, _Nothing(), interrupt=self._caller.login)
            try:
                while link.live and not self._rang.is_set():
                    if not await patiently(lambda: self._tokens.is_logged_in(self._caller)):
                        return
                    with suppress(TimeoutError):
                        async with asyncio.timeout(look_seconds):
                            await self._rang.wait()
            finally:
                link.leave()

    def deliver(self, payload: None) -> None:
        """Take nothing: nothing is selected."""

    def gap(self, gap: Gap) -> None:
        """Look: the record may be among what is lost."""
        del gap
        self._rang.set()

    def dropped(self) -> None:
        """Look, and join again."""
        self._rang.set()

    def interrupted(self, record: Entry) -> None:
        """Look: this is the record."""
        del record
        self._rang.set()
