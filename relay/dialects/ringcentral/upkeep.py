"""The duty that reminds of the ends of subscriptions, ends them, and asks blacklisted addresses again."""

from __future__ import annotations

import asyncio
from typing import Final, final

import msgspec
from msgspec.structs import replace

from relay.dialects.ringcentral.failures import ApiError
from relay.dialects.ringcentral.handshake import Handshakes
from relay.dialects.ringcentral.lifecycle import RECHECK, What
from relay.dialects.ringcentral.planning import Due, Plan, now
from relay.errors import ContendedError, NotFoundError, UnavailableError
from relay.journal.journal import Journal
from relay.journal.leases import Lease
from relay.journal.record import Record, RecordKind, ReminderEvent
from relay.journal.tail import Tail
from relay.subscriptions.model import Status, Subscription
from relay.subscriptions.store import Subscriptions
from relay.telemetry import log
from relay.webhooks.crew import Crew
from relay.webhooks.duty import first_failure

AT_A_TIME: Final = 8
"""Blacklisted addresses of a partition that are asked at a time: each takes up to three seconds."""
RETRY_PAUSE: Final = 0.5
"""Seconds until something is tried again that the store did not answer, or the lease did not allow."""

_encode: Final = msgspec.json.Encoder().encode
_log: Final = log.get("ringcentral")


@final
class Upkeep:
    """Make one per process. The lease is looked at before each step, but a reminder may come twice."""

    name = "ringcentral-upkeep"

    def __init__(
        self,
        journal: Journal,
        tail: Tail,
        subscriptions: Subscriptions,
        handshakes: Handshakes,
        *,
        recheck: float = RECHECK,
    ) -> None:
        """Take also how many seconds a blacklisted address is left alone."""
        self._journal = journal
        self._tail = tail
        self._subscriptions = subscriptions
        self._handshakes = handshakes
        self._recheck = recheck

    def __repr__(self) -> str:
        return f"<Upkeep recheck={self._recheck:g} s>"

    async def run(self, lease: Lease) -> None:
        """Keep the partition's subscriptions until cancelled."""
        plan = Plan(self._journal.store, lease.partition, recheck=self._recheck)
        crew = Crew(f"{self.name}-{lease.partition:02d}")
        listening = self._tail.listen(lease.partition, plan)
        try:
            await listening.ready()
            await plan.load()
            crew.spawn(self._keep(plan, lease, crew))
            await first_failure(crew)
        finally:
            listening.close()
            await crew.cancel()

    async def _keep(self, plan: Plan, lease: Lease, crew: Crew) -> None:
        room = asyncio.Semaphore(AT_A_TIME)
        while True:
            try:
                due = await plan.take()
            except UnavailableError:
                await asyncio.sleep(RETRY_PAUSE)
                continue
            if due is None:
                await plan.wait()
            elif not lease.valid():
                plan.put_back(due, RETRY_PAUSE)
            elif due.step.what is What.RECHECK:
                crew.spawn(self._ask(due.subscription, room, lease))
            else:
                try:
                    await self._do(due)
                except UnavailableError:
                    plan.put_back(due, RETRY_PAUSE)

    async def _do(self, due: Due) -> None:
        one, step = due
        if step.what is What.EXPIRE:
            try:
                await self._subscriptions.delete(one.account, one.id, rev=one.rev)
            except NotFoundError:
                return  # it was deleted, or renewed in the last moment
            _log.info("subscription expired", subscription=one.id)
            return
        reminder = ReminderEvent(
            account=one.account,
            subscription=one.id,
            source=step.source,
            expires_at=one.expires_at or 0,
            time=now(),
        )
        await self._journal.append(one.account, [Record(RecordKind.REMINDER, one.account, _encode(reminder))])

    async def _ask(self, one: Subscription, room: asyncio.Semaphore, lease: Lease) -> None:
        """Have a blacklisted address shake hands again; the subscription is active again if it does."""

        def recovered(found: Subscription) -> Subscription:
            if found.rev != one.rev:
                return found
            return replace(found, status=Status.ACTIVE, reason=None, disabled_at=None)

        async with room:
            if not lease.valid():
                return
            try:
                url = (await self._subscriptions.get(one.account, one.id)).url  # the plan has it sealed
                await self._handshakes.check_address(url)
                await self._handshakes.ask(url)
                await self._subscriptions.change(one.account, one.id, recovered)
            except ApiError as error:
                _log.debug("still blacklisted", subscription=one.id, code=error.code)
            except (NotFoundError, ContendedError, UnavailableError) as error:
                _log.debug("not asked again", subscription=one.id, error=repr(error))
            else:
                _log.info("no longer blacklisted", subscription=one.id)
