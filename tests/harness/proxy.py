"""A TCP way to a store server that can be cut or slow: the server runs on, and nobody knows."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tests.harness.ports import free_port


class StoreProxy:
    """Listens on 127.0.0.1 and passes connections on to the server's unix socket while it is not cut."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.url = f"redis://127.0.0.1:{self._port}"
        self.late = 0.0
        """Seconds by which replies come late."""

    def __repr__(self) -> str:
        return f"StoreProxy({self.url}, {'open' if self._server else 'cut'}, {len(self._open)} ends)"

    async def open(self) -> None:
        """Let connections through from now on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        while self._open:
            self._open.pop().transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._socket))
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(
                self._pass_on(reader, far_writer), self._pass_on(far_reader, writer, back=True)
            )
        finally:
            self._open -= ends

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        """Pass on until one side ends; then end the other."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if back and self.late:
                    await asyncio.sleep(self.late)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
