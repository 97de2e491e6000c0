"""One address in front of several processes, as a load balancer is: a killed one's clients reach another."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from tests.harness.ports import free_port


class Way:
    """Passes connections to its port on to another one, which may change; open ones stay as they are."""

    def __init__(self, port: int) -> None:
        self.to = port
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self.url = f"http://127.0.0.1:{self._port}"

    def __repr__(self) -> str:
        return f"Way({self.url} to {self.to}, {len(self._passing)} connections)"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._passing:
            task.cancel()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass_on(reader, far_writer))
                    both.create_task(_pass_on(far_reader, writer))
            finally:
                far_writer.transport.abort()
        except (ConnectionError, asyncio.CancelledError):
            pass  # that side is gone, or the test is over
        finally:
            writer.transport.abort()
            self._passing.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on until one side ends; then end the other."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
