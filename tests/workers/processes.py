"""The processes behind a parent, and what it shows of them."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from aiohttp import ClientSession

from tests.harness.process import RelayProcess


def workers(relay: RelayProcess) -> dict[int, int]:
    """Return the process id that each worker was last started with, by its number."""
    return {line["worker"]: line["pid"] for line in relay.logged("worker started")}


def kill(relay: RelayProcess, number: int) -> None:
    """End one worker as a crash does."""
    os.kill(workers(relay)[number], signal.SIGKILL)


def alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def connections(pid: int) -> int:
    """Return how many TCP connections a process has."""
    files = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    fields = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    inodes = [line[9] for line in fields if line[3] == established]
    return sum(f"socket:[{inode}]" in files for inode in inodes)


def file_limits(pid: int) -> tuple[str, str]:
    """Return how many files a process may open, and may allow itself."""
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [files] = [line.split() for line in limits if line.startswith("Max open files")]
    return files[3], files[4]


async def unready(http: ClientSession, relay: RelayProcess) -> str:
    """Return why it is not ready, or an empty string."""
    async with http.get(f"{relay.admin_url}/readyz") as response:
        return str((await response.json()).get("reason", ""))


async def metrics(http: ClientSession, relay: RelayProcess) -> dict[str, float]:
    """Return every sample it shows, by name and labels."""
    async with http.get(f"{relay.admin_url}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    return {name: float(value) for name, value in re.findall(r"^([a-z][^ ]*) (\S+)$", text, re.MULTILINE)}
