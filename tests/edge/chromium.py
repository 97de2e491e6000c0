"""Chromium without a window, and the page it opens: the page tells what it is told by posting it back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from tests.edge.programs import program
from tests.harness.node import JS, WITHIN
from tests.waiting import eventually

PAGES: Final = Path(__file__).parent / "pages"
COMETD: Final = JS / "node_modules" / "cometd"
FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing but this machine is reached
)
OPENS_WITHIN: Final = 60.0
"""Seconds until a page has run; two busy cores need some."""


class Site:
    """Serves the pages, and CometD's client if it is installed, on its own origin; keeps what they tell."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        """Everything told, in order."""
        self._runner: web.AppRunner | None = None
        self.origin = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/told", self._take)
        if COMETD.exists():
            app.router.add_static("/cometd/", COMETD)
        app.router.add_static("/", PAGES)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def of(self, kind: str) -> list[Any]:
        """Return what was told of one kind."""
        return [line[kind] for line in self.told if kind in line]

    async def tells(self, kind: str, count: int = 1, *, within: float = WITHIN) -> list[Any]:
        """Return what was told of one kind, once that is so many things."""
        await eventually(
            lambda: len(self.of(kind)) >= count, within=within, what=f"{count} {kind} in {self.told}"
        )
        return self.of(kind)

    async def _take(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        return web.Response(status=204)


class Chromium:
    """A browser that shows one page while its block runs."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        self._command = [program("chromium"), *FLAGS, f"--user-data-dir={folder / 'profile'}", url]
        self._output = folder / "output.txt"
        self._temporary = tempfile.mkdtemp(prefix="relay-test-")  # short, for its socket
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; the page will tell when it is there."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, "TMPDIR": self._temporary, "HOME": self._temporary},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)  # it has many processes, and nothing to save
        await asyncio.to_thread(self._process.wait, 20)
        shutil.rmtree(self._temporary, ignore_errors=True)
