"""Run a benchmark while no core sleeps: ``python -m bench.awake bench.bayeux --rounds 3``.

A virtual machine's core that has nothing to do is given up to the host, and having it back costs time that
counts as CPU of whoever wakes it: a program that is woken often looks dearer than it is.
A spinning process for each core, which runs only where nothing else wants to (SCHED_IDLE), keeps them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

_SPIN: Final = """
import os, sys
parent, core = map(int, sys.argv[1:])
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(0, {core})
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


def main(arguments: Sequence[str]) -> int:
    """Run a module with its arguments; return its exit code."""
    if not arguments:
        sys.exit("python -m bench.awake MODULE [its arguments]")
    with _awake():
        return subprocess.run([sys.executable, "-m", *arguments], check=False).returncode


@contextmanager
def _awake() -> Iterator[None]:
    spinning = [
        subprocess.Popen([sys.executable, "-c", _SPIN, str(os.getpid()), str(core)])
        for core in os.sched_getaffinity(0)
    ]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
