"""The service as a user runs it: a process of its own, to be stopped, killed, paused and started again."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession

from tests.harness.ports import free_port
from tests.waiting import eventually

PROGRAM: Final = Path(sys.executable).with_name("relay")
READY_WITHIN: Final = 90.0
"""Seconds a process may take until it serves: one, and on two cores with ten programs busy some twenty."""
STOP_WITHIN: Final = 30.0
"""Seconds a process may take to drain and end."""


class RelayProcess:
    """`relay serve --demo` on free ports; its output goes to a file, over all its lives.

    Without `store_url` it has an embedded store in `folder`. `settings` are RELAY_* names without the prefix,
    in lower case. What RELAY_* the tests themselves were called with does not reach it.
    """

    def __init__(
        self, folder: Path, *, store_url: str = "", arguments: Sequence[str] = (), **settings: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.output_file = folder / "output.txt"
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.settings = {
            "bind": f"127.0.0.1:{self.port}",
            "admin_bind": f"127.0.0.1:{self.admin_port}",
            "data_dir": str(self.data),
            "log_format": "json",
            **({"redis_url": store_url} if store_url else {}),
            **settings,
        }
        self._command = [str(PROGRAM), "serve", "--demo", *arguments]
        self._runtime = tempfile.mkdtemp(prefix="relay-test-")
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"RelayProcess({self.url}, {'running' if self._process else 'stopped'})"

    @property
    def pid(self) -> int:
        """Its process id; it must have been started."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has written to standard output and error, in all its lives."""
        return self.output_file.read_text(errors="replace") if self.output_file.exists() else ""

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith('{"')]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of one event."""
        return [line for line in self.log if line["event"] == event]

    def launch(self) -> None:
        """Start it without waiting for anything."""
        assert self._process is None, "it runs already"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        environment |= {f"RELAY_{name.upper()}": value for name, value in self.settings.items()}
        environment |= {"COLUMNS": "120", "TMPDIR": self._runtime}  # short, for its store's socket
        environment["SSL_CERT_FILE"] = os.devnull  # reading authorities is a tenth of a start
        with self.output_file.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    async def start(self) -> RelayProcess:
        """Start it, on whatever its store has, and return once it is ready."""
        self.launch()
        async with ClientSession() as session:

            async def over() -> bool:
                assert self._process is not None
                return self._process.poll() is not None or await self.ready(session)

            await eventually(over, within=READY_WITHIN, what=f"{self!r} to be ready")
        assert self._process is not None
        assert self._process.poll() is None, f"it ended:\n{self.output[-4000:]}"
        return self

    async def stop(self) -> int:
        """End it as an operator does, with SIGTERM, and return its exit code once it has drained."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self, within: float = STOP_WITHIN) -> int:
        """Return the exit code once it has ended by itself."""
        process = self._process
        assert process is not None
        code = await eventually(
            lambda: None if process.poll() is None else (process.returncode,),
            within=within,
            what=f"{self!r} to end",
        )
        self._process = None
        return code[0]

    def kill(self) -> None:
        """End it as a crash does, with SIGKILL."""
        assert self._process is not None
        process, self._process = self._process, None
        process.kill()
        process.wait(STOP_WITHIN)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGSTOP freezes it and SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def store_pid(self) -> int:
        """Process id of its embedded store."""
        return int((self.data / "valkey.pid").read_text())

    def kill_store(self) -> None:
        """End its embedded store as a crash does."""
        os.kill(self.store_pid, signal.SIGKILL)

    async def ready(self, http: ClientSession) -> bool:
        """Tell whether it says that it is ready."""
        async with http.get(f"{self.admin_url}/readyz") as response:
            return response.status == 200

    def remove(self) -> None:
        """Kill it and its embedded store, if they run."""
        if self._process is not None:
            self.kill()
        if (self.data / "valkey.pid").exists() and _locked(self.data / "valkey.lock"):
            self.kill_store()
        shutil.rmtree(self._runtime, ignore_errors=True)


def _locked(path: Path) -> bool:
    """Tell whether somebody holds the lock on a file, as a live store does on its folder's."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
