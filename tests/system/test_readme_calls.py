"""The curl lines of README, executed as they stand against a running demo."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import ClientSession

from tests.harness.demo import ADMIN, JOHN
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.waiting import eventually

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEFAULT = "127.0.0.1:8080"
"""Where README's demo listens."""

DONE = "@@ done @@"
PRELUDE = """
set -e -o pipefail
curl() {
  case " $* " in *" -N "*) ;; *) set -- --max-time 20 "$@" ;; esac
  command curl --fail-with-body --show-error --silent "$@"
}
"""
"""Every call must succeed, those in a pipe too. A stream goes on for as long as the other calls take."""


def blocks() -> list[str]:
    """Return the fenced blocks that call curl, in order."""
    found = [block.replace("\n$ ", "\n").removeprefix("$ ") for block in FENCE.findall(README.read_text())]
    return [block for block in found if re.search(r"\bcurl ", block)]


def bash() -> str:
    """Return the shell's path; without shell or curl the test is skipped."""
    missing = [name for name in ("bash", "curl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{missing} must be on PATH")
    return str(shutil.which("bash"))


class Shell:
    """A reader's terminal: one shell, into which block after block is put."""

    def __init__(self, url: str, *blocks: str) -> None:
        script = "".join(f"{block}\necho {DONE}\nread -r _ || exit 0\n" for block in blocks)
        self._script = PRELUDE + script.replace(DEFAULT, url.removeprefix("http://"))
        self._process: asyncio.subprocess.Process
        self._shown = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(bash(), "-c", self._script),
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the shell and the call it waits for
        await self._process.communicate()

    async def line(self) -> str:
        """Return the next line that is shown."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, f"a call failed, having shown:\n{self._shown}"
        self._shown += line.decode()
        return line.decode()

    async def block(self) -> str:
        """Return what the block that runs shows, once it is done."""
        shown = ""
        while DONE not in shown:
            shown += await self.line()
        return shown

    def go_on(self) -> None:
        """Run the next block."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


async def test_the_readme_shows_calls_that_work(relay: RelayProcess, http: ClientSession) -> None:
    """Who copies block after block, the stream open beside, sees every call succeed and the story told."""
    streams = [block for block in blocks() if "curl -N" in block]
    steps = [block for block in blocks() if "curl -N" not in block]
    assert len(streams) == 1
    assert len(steps) >= 4
    john = V3(http, relay.url, JOHN)
    async with Shell(relay.url, *streams) as beside:
        await beside.line()  # the stream is open: a shell runs its first block as soon as it starts
        async with Shell(relay.url, *steps) as terminal:
            for step in steps:
                assert await terminal.block()
                if "click-to-dial" in step:
                    await eventually(john.calls, what="John's phone to ring")
                terminal.go_on()
        history = await V3(http, relay.url, ADMIN).history()
        told: list[Any] = []
        while len(told) < len(history):
            line = await beside.line()
            if line.startswith("data:"):
                told.append(json.loads(line.removeprefix("data:")))
        assert told == history
    types = {event["type"].removeprefix("call.leg.") for event in history}
    assert types >= {"ringing", "answered", "hungup"}
