"""One process of the service, from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from relay.app.faces import public_app
from relay.app.listening import check_free, listen, with_ports
from relay.app.metering import register
from relay.app.parts import assemble
from relay.directory.directory import Directory
from relay.errors import UnavailableError
from relay.http.operations import operations_app
from relay.journal.embedded import EmbeddedValkey
from relay.journal.orphans import free_orphans, member_name
from relay.journal.ownership import Ownership
from relay.journal.store import Store
from relay.settings import Settings
from relay.subscriptions.sealing import SecretKeys, check_keys
from relay.telemetry import log
from relay.telemetry.metrics import Metrics

SURVEY_WITHIN: Final = 1.0
"""Seconds that whoever asks for metrics waits for the store at most."""

_log: Final = log.get("app")


class Relay:
    """One process of the service. Parts stop in the reverse of the order in which they start.

    With ``parent_socket`` it is one of several workers: its operations face is on that unix socket, for the
    parent to ask, and it shares its public port with the others.
    """

    def __init__(
        self, settings: Settings, directory: Directory, *, parent_socket: Path | None = None
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._parent_socket = parent_socket
        self._running = AsyncExitStack()
        self._serving = False
        self._draining = False
        self._metrics = Metrics()
        self._survey = _nothing_yet
        self.store_description = ""
        self._store: Store

    def __repr__(self) -> str:
        return f"<Relay at {self.url}{' draining' * self._draining}>"

    @property
    def url(self) -> str:
        """Base of the public faces, as this machine reaches them."""
        return f"http://{self._settings.bind}"

    @property
    def admin_url(self) -> str:
        """Base of the operations face."""
        return f"http://{self._settings.admin_bind}"

    async def start(self) -> None:
        """Start every part; on return requests are served.

        Raises:
            ConfigurationError: a part cannot start as it is set.
            StoreUnavailableError: the store is away.

        """
        async with AsyncExitStack() as starting:
            await self._start(starting)
            self._running = starting.pop_all()
        self._serving = True
        _log.info("started", settings=repr(self._settings), store=self.store_description)

    async def stop(self) -> None:
        """Drain and stop: take nothing new, finish what is on its way, tell clients to come back."""
        if not self._draining:
            self._draining = True
            await self._running.aclose()
            _log.info("stopped")

    async def _start(self, starting: AsyncExitStack) -> None:
        asked = self._settings
        settings = self._settings = await with_ports(starting, asked)
        operations = operations_app(self._unready, self._counted)
        await listen(
            starting,
            operations,
            self._parent_socket or settings.admin_bind,
            "RELAY_ADMIN_BIND",
            shared=not asked.admin_bind.port,
        )
        if self._parent_socket is None and asked.bind.port:
            await check_free(settings.bind, "RELAY_BIND")
        self._store, _, self.store_description = await open_store(starting, settings)
        await check_keys(self._store, SecretKeys(settings.secret_key))
        parts = assemble(starting, settings, self._directory, self._store)
        app = public_app(parts, self._directory, settings)
        ownership = Ownership(self._store, member_name(), parts.duties)
        await ownership.start()
        starting.push_async_callback(ownership.stop)
        register(self._metrics, parts, ownership)
        self._survey = parts.webhooks.survey
        await listen(
            starting,
            app,
            settings.bind,
            "RELAY_BIND",
            drain_timeout=settings.drain_timeout,
            shared=self._parent_socket is not None or not asked.bind.port,
        )

    async def _unready(self) -> str:
        if self._draining:
            return "draining"
        if not self._serving:
            return "starting"
        return "" if self._store.available else "the store is away"

    async def _counted(self) -> bytes:
        with contextlib.suppress(UnavailableError, TimeoutError):  # what was found before is shown again
            async with asyncio.timeout(SURVEY_WITHIN):
                await self._survey()
        return self._metrics.text()


async def _nothing_yet() -> None:
    """Before there is a store, nothing is known to wait."""


async def open_store(starting: AsyncExitStack, settings: Settings) -> tuple[Store, str, str]:
    """Return the store, its URL and, in words, what it is; an embedded one is started, and stopped last.

    Raises:
        ConfigurationError: it cannot be used, or the embedded one cannot start.
        StoreUnavailableError: it is away.

    """
    if settings.redis_url:
        url, description = settings.redis_url, "RELAY_REDIS_URL"
    else:
        embedded = await EmbeddedValkey.start(settings.data_dir)
        starting.push_async_callback(embedded.stop)
        found = "found running" if embedded.adopted else "started"
        url, description = embedded.url, f"embedded Valkey ({found}), data in {settings.data_dir}"
    store = await Store.open(url, partitions=settings.partitions)
    starting.push_async_callback(store.close)
    if not settings.redis_url:
        # It is ours alone: nobody need wait for what an earlier relay held when it was killed.
        await free_orphans(store)
    return store, url, description
