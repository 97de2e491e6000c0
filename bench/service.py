"""A relay to load: the installed ``relay serve`` in a process of its own, with an embedded store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

from bench.certificate import make
from bench.client import Connection, head_of
from bench.tenant import directory

READY_WITHIN: Final = 30.0
"""Seconds it may take to serve, its store included."""
STOP_WITHIN: Final = 30.0
"""Seconds it may take to drain and stop before it is killed."""

PORTS: Final = range(20_000, 30_000)
"""Below what Linux gives to outgoing connections."""


class StartError(Exception):
    """Relay did not start; the message ends with what it said."""


class Service(NamedTuple):
    """A relay that serves."""

    port: int
    pid: int
    store_pid: int
    certificate: Path
    """Key and certificate of an endpoint that it trusts."""

    @property
    def store_url(self) -> str:
        """Where its store is: the server shows its socket in its title."""
        title = Path(f"/proc/{self.store_pid}/cmdline").read_text()
        return "unix://" + title.rpartition("unixsocket:")[2].rstrip("\0 ")


@contextlib.asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """Run relay on free ports and an embedded store of its own; both are gone afterwards.

    Raises:
        StartError: it did not start.

    """
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
    port, admin_port = free_ports(2)
    certificate = make(folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    environment = inherited | {
        "RELAY_BIND": f"127.0.0.1:{port}",
        "RELAY_ADMIN_BIND": f"127.0.0.1:{admin_port}",
        "RELAY_DATA_DIR": str(folder / "data"),
        "RELAY_DIRECTORY": str(folder / "directory.yaml"),
        "RELAY_WEBHOOK_ALLOW": "127.0.0.0/8",
        "RELAY_RATE_LIMITS": "off",
        "RELAY_LOG_LEVEL": "warning",
        "SSL_CERT_FILE": str(certificate),
    }
    log = folder / "log"
    (folder / "directory.yaml").write_text(json.dumps(directory()))
    process = _start(environment, log)
    try:
        await _ready(process, admin_port, log)
        yield Service(port, process.pid, _child_of(process.pid), certificate)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("relay")), "serve"]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


async def _ready(process: subprocess.Popen[bytes], admin_port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = await Connection.open(admin_port)
            status, _ = await connection.request(head_of("GET", "/readyz"))
            connection.close()
        except OSError:
            status = 0
        if status == 200:
            return
        await asyncio.sleep(0.05)
    raise StartError(f"relay did not start:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, of those that no outgoing connection gets meanwhile."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            break
    return found


def _child_of(pid: int) -> int:
    """Return the embedded store's process id: relay has no other child."""
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
