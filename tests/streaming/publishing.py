"""Calls whose events carry a running number, committed to the journal."""

from __future__ import annotations

import itertools
from typing import Any

from msgspec.structs import replace

from relay.calls.events import CallEvent
from relay.calls.happenings import CallPlaced, DtmfSent
from relay.calls.model import Address, CallType, Session
from relay.journal.commit import Change
from relay.journal.journal import Journal
from tests.calls.calling import ACCOUNT, JANE, JOHN
from tests.harness.happening import apply

_names = itertools.count(1)


class Line:
    """A leg that sends tones. Each is one event of every dialect's v3 kind, its digits the next number."""

    def __init__(
        self,
        journal: Journal,
        caller: Address = JANE,
        *,
        account: str = ACCOUNT,
        user_data: dict[str, Any] | None = None,
    ) -> None:
        self._journal = journal
        self._account = account
        self._caller = caller
        self._user_data = user_data or {}
        self._name = f"line-{next(_names)}"
        self._session: Session | None = None
        self._commits = 0
        self.sent = 0

    async def tones(self, count: int = 1) -> list[str]:
        """Commit so many events at once, and return their stream ids."""
        session, told = self._begun()
        for _ in range(count):
            self.sent += 1
            session, events = apply(session, DtmfSent(leg=f"{self._name}-leg", digits=str(self.sent)), 1)
            told += events
        self._commits += 1
        committed = await self._journal.commit(
            self._account, [Change(session)], told, nonce=f"{self._name}-{self._commits}"
        )
        assert committed is not None
        assert not committed.already
        self._session = replace(session, version=session.version + 1)
        return list(committed.ids)

    def _begun(self) -> tuple[Session, list[CallEvent]]:
        if self._session is not None:
            return self._session, []
        placed = CallPlaced(
            session_id=self._name,
            account=self._account,
            type=CallType.INTERNAL,
            caller_leg=f"{self._name}-leg",
            caller=self._caller,
            destination=JOHN,
            user_data=self._user_data,
        )
        return apply(None, placed, 1)[0], []  # its own event is left out: only tones are counted
