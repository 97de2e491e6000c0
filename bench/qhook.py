"""qhook on PostgreSQL, which relay's webhooks are measured against.

qhook is a webhook server in one binary (``cargo install qhook``): events come by HTTP and are stored, then
posted to endpoints, signed by Standard Webhooks, with retries, a breaker and dead letters. PostgreSQL is
Debian's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.client import Connection, head_of
from bench.publishing import Phone
from bench.service import free_ports

AT_ONCE: Final = 100
"""Requests on their way, and jobs fetched at a time: ten times its defaults, and what relay has for ten."""
READY_WITHIN: Final = 30.0
"""Seconds that each of both may take until it serves."""
OWNER: Final = "postgres"
"""User that PostgreSQL runs as when root starts it, which it refuses to run as."""
SOURCE: Final = "calls"
CONFIGURATION: Final = """
database:
  driver: postgres
  url: postgres://{owner}@127.0.0.1:{database}/postgres
server:
  port: {port}
  allow_private_urls: true
  skip_endpoint_verification: true
worker:
  max_concurrency: {at_once}
  batch_size: {at_once}
sources:
  {source}:
    type: outbound
"""


class Peer(NamedTuple):
    """A running qhook."""

    port: int
    pid: int
    store_pid: int
    """That of PostgreSQL, whose other processes are its children."""

    async def subscribe(self, urls: Sequence[str]) -> None:
        """Make endpoints that get every event."""
        connection = await Connection.open(self.port)
        for url in urls:
            made = await connection.ask(
                head_of("POST", "/api/outbound/endpoints"), {"source": SOURCE, "url": url}, expect=201
            )
            await connection.ask(
                head_of("POST", f"/api/outbound/endpoints/{made['id']}/subscriptions"),
                {"event_types": ["call.leg.dtmf"]},
                expect=201,
            )
        connection.close()


class Line(Phone):
    """A call of which the same events are published as of one of relay's."""

    def __init__(self, connection: Connection, event: bytes) -> None:
        super().__init__(connection, "")
        self._head = head_of("POST", f"/events/{SOURCE}/call.leg.dtmf")
        self._before, _, rest = event.partition(b'"digits":"')
        self._after = rest[rest.index(b'"') :]

    async def tone(self, digits: str) -> None:
        """Publish an event with these digits."""
        body = b'%b"digits":"%b%b' % (self._before, digits.encode(), self._after)
        status, answer = await self.connection.request(self._head, body)
        if status not in (200, 201, 202):
            raise RuntimeError(f"not published: {status} {answer!r}")


@asynccontextmanager
async def qhook(program: str) -> AsyncIterator[Peer]:
    """Run qhook and its database on free ports.

    Raises:
        FileNotFoundError: one of both is not installed.

    """
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-qhook-"))
    port, database = free_ports(2)
    user = OWNER if os.geteuid() == 0 else None
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(_postgres(folder, database, user))
        await _serving(database, processes[-1])
        configuration = CONFIGURATION.format(
            owner=OWNER, database=database, port=port, at_once=AT_ONCE, source=SOURCE
        )
        (folder / "qhook.yaml").write_text(configuration)
        processes.append(_start(folder, [program, "start", "--config", str(folder / "qhook.yaml")], None))
        await _serving(port, processes[-1])
        yield Peer(port, processes[-1].pid, processes[0].pid)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGINT)
            await asyncio.to_thread(process.wait, 40)
        shutil.rmtree(folder, ignore_errors=True)


def _postgres(folder: Path, port: int, user: str | None) -> subprocess.Popen[bytes]:
    programs = [shutil.which(name) for name in ("initdb", "postgres")]
    if None in programs:
        raise FileNotFoundError("PostgreSQL is missing (Debian: postgresql)")
    initdb, postgres = (str(program) for program in programs)
    data = folder / "data"
    if user is not None:
        shutil.chown(folder, user)
    subprocess.run(
        [initdb, "--pgdata", str(data), "--username", OWNER, "--auth", "trust"],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    own = ["-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    own += ["-c", "synchronous_commit=off"]  # a commit waits for no disk, as in relay's store
    return _start(folder, [postgres, *own], user)


def _start(folder: Path, command: Sequence[str], user: str | None) -> subprocess.Popen[bytes]:
    log = folder / f"{Path(command[0]).name}.log"
    environment = {**os.environ, "RUST_LOG": "warn"}
    with log.open("wb") as output:
        return subprocess.Popen(command, user=user, cwd=folder, env=environment, stdout=output, stderr=output)


async def _serving(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a port takes connections."""
    async with asyncio.timeout(READY_WITHIN):
        while True:
            try:
                (await Connection.open(port)).close()
            except OSError:
                if process.poll() is not None:
                    raise
                await asyncio.sleep(0.05)
            else:
                return
