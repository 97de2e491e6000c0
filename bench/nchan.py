"""nginx with nchan, which relay's event streams are measured against. Debian: libnginx-mod-nchan."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.client import Connection, head_of

MODULE: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
STREAM: Final = (
    head_of("GET", "/sub").replace(b"Content-Type: application/json\r\n", b"Accept: text/event-stream\r\n")
    + b"\r\n"
)
"""Asks for a stream."""
CONFIGURATION: Final = """
daemon off;
worker_processes 1;
load_module {module};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  keepalive_timeout 1h;
  nchan_shared_memory_size 128M;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /sub {{
      nchan_subscriber eventsource;
      nchan_channel_id events;
      nchan_subscriber_first_message newest;
    }}
    location = /pub {{
      nchan_publisher;
      nchan_channel_id events;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 30s;
    }}
  }}
}}
"""


class Peer(NamedTuple):
    """A running nginx."""

    port: int
    pid: int
    """Its only worker's."""


class Mouth:
    """A connection that publishes events of the same bytes as relay's."""

    def __init__(self, connection: Connection, event: bytes) -> None:
        self._connection = connection
        self._head = head_of("POST", "/pub").replace(
            b"Content-Type: application/json\r\n", b"X-EventSource-Event: call.leg.dtmf\r\n"
        )
        self._before, _, rest = event.partition(b'"digits":"')
        self._after = rest[rest.index(b'"') :]

    async def tone(self, digits: str) -> None:
        """Publish an event with these digits."""
        body = b'%b"digits":"%b%b' % (self._before, digits.encode(), self._after)
        status, answer = await self._connection.request(self._head, body)
        if status not in (201, 202):
            raise RuntimeError(f"not published: {status} {answer!r}")


@asynccontextmanager
async def nchan() -> AsyncIterator[Peer]:
    """Run nginx with nchan on a free port.

    Raises:
        FileNotFoundError: it is not installed.

    """
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-nchan-"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = _start(folder, port)
    try:
        while True:
            try:
                (await Connection.open(port)).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise
                await asyncio.sleep(0.05)
        yield Peer(port, _worker_of(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None or not MODULE.exists():
        raise FileNotFoundError("nginx with nchan is missing (Debian: nginx and libnginx-mod-nchan)")
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(module=MODULE, folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([program, "-c", file, "-p", folder, "-e", "stderr"], stdout=log, stderr=log)


def _worker_of(pid: int) -> int:
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(worker)
