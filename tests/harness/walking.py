"""What walks through calls have in common: a store of their own, and live legs in an order that repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from relay.calls.model import Party, Session
from tests.engines import Server

Result = TypeVar("Result")


class Walking(RuleBasedStateMachine):
    """A walk: it begins on an empty store, and reads the live calls after every step."""

    server: ClassVar[Server]
    loop: asyncio.Runner

    def begin(self) -> None:
        """Empty the store."""
        self.loop = asyncio.Runner()
        self.server.flush()
        self.sessions: list[Session] = []
        self._seen: dict[str, int] = {}

    def run(self, step: Coroutine[Any, Any, Result]) -> Result:
        """Run a step to its end."""
        return self.loop.run(step)

    def found(self, sessions: Iterable[Session]) -> None:
        """Take the live calls; ids are random, so they are put in the order they were first seen in."""
        found = list(sessions)
        for session in found:
            self._seen.setdefault(session.id, len(self._seen))
        self.sessions = sorted(found, key=lambda session: self._seen[session.id])

    def legs(self) -> list[tuple[Session, Party]]:
        """Return the live legs of ours as last read."""
        return [
            (session, party)
            for session in self.sessions
            for party in session.parties
            if party.live and party.ours
        ]


@pytest.fixture(autouse=True, scope="module")
def walked_on(shared_server: Server) -> Iterator[None]:
    """Have the walks of a module that imports this run on the shared server."""
    Walking.server = shared_server
    yield
    del Walking.server
