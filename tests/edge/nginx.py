"""nginx as a reverse proxy, with its own defaults: it buffers, and speaks HTTP/1.0 to those behind it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.edge.programs import program
from tests.harness.ports import free_port
from tests.waiting import eventually

CONFIGURATION: Final = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream relay {{
    {servers}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://relay; }}
  }}
}}
"""


class Nginx:
    """Listens on a free port while its block runs, and passes requests on to processes by turns."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        folder.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # A server that failed is tried again at once, since the tests kill one after the other.
        servers = "\n    ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
        self._file = folder / "nginx.conf"
        self._file.write_text(CONFIGURATION.format(folder=folder, servers=servers, port=self.port))
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it without waiting for anything."""
        command = [program("nginx"), "-c", str(self._file), "-p", str(self._folder), "-e", "stderr"]
        with (self._folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    async def __aenter__(self) -> Self:
        self.start()

        async def listens() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "output.txt").read_text()
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True

        await eventually(listens, what="nginx to listen")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, 20)
