"""Ports to listen on that nothing else takes meanwhile."""

from __future__ import annotations

import os
import random
import socket
from typing import Final

FIRST: Final = 20_000
LAST: Final = 32_000
"""Below the range that systems give to outgoing connections, so that a port stays free between two runs."""

_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS: Final = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
"""Test processes have ports of their own each: a port is given some time before it is listened on."""

_random: Final = random.Random(f"{os.getpid()}-{_WORKER}")
_given: Final[set[int]] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on and that was not given before."""
    while True:
        port = _random.randrange(FIRST + _WORKER, LAST, _WORKERS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
