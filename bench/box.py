"""The machine: what it is, what its processes use, and what else runs on it. Linux only (/proc)."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int, *, ended: bool = False) -> float:
    """Return the user and system CPU seconds that a process has used, all its threads together.

    ``ended`` adds those of its children that have ended.
    """
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11 : 15 if ended else 13])) / _TICKS


def describe(store_pid: int) -> str:
    """Return one line: processor, cores, kernel, Python, event loop, store."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line), "?")
    server = Path(f"/proc/{store_pid}/exe").readlink()
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.split()
    store = next((word.removeprefix("v=") for word in told if word.startswith("v=")), "?")
    return (
        f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, uvloop {version('uvloop')}, "
        f"aiohttp {version('aiohttp')}, {server.name.partition('-')[0].capitalize()} {store}"
    )


class Used(NamedTuple):
    """What was used between two readings."""

    seconds: float
    by: Mapping[str, float]
    """CPU seconds of each process watched, by name."""
    other: float
    """Cores that were busy with anything else, on average: how far the figures can be trusted."""


class Meter:
    """Reads what processes use from its making on."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._from = self._read()

    def __repr__(self) -> str:
        return f"Meter({', '.join(self._pids)})"

    def read(self) -> Used:
        """Return what was used since."""
        before, now = self._from, self._read()
        by = {name: now[2][name] - before[2][name] for name in self._pids}
        seconds = now[0] - before[0]
        busy = now[1] - before[1]
        return Used(seconds, by, max(0.0, (busy - sum(by.values())) / seconds))

    def _read(self) -> tuple[float, float, dict[str, float]]:
        own = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return time.monotonic(), _busy_seconds(), own


def _busy_seconds() -> float:
    # user nice system idle iowait irq softirq steal: what a hypervisor steals is other load too.
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS
