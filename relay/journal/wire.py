"""The bytes of one connection to the store: commands out in one write, replies in as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import InvalidResponse

_INCOMPLETE: Final = object()


class Wire(asyncio.Protocol):
    """Takes a transport over from whoever has connected and logged in. One exchange at a time.

    A batch's replies wake whoever waits for them once, when all are there. What fails or is given up leaves
    replies behind, so nothing else can be asked afterwards.
    """

    def __init__(self, transport: asyncio.Transport, error_of: Callable[[str], Exception]) -> None:
        """Take it over; ``error_of`` makes what is returned of an error reply."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=error_of, notEnoughData=_INCOMPLETE
        )
        self._replies: list[Any] = []
        self._missing = 0
        self._answered: asyncio.Future[None] | None = None
        self.lost = False
        """Whether nothing can be asked any more."""
        transport.set_protocol(self)

    def __repr__(self) -> str:
        return f"Wire({'lost' if self.lost else f'{self._missing} replies to come'})"

    async def exchange(self, packed: Sequence[bytes], replies: list[Any], timeout: float) -> None:
        """Send commands and append the reply to each, within so many seconds.

        Raises:
            TimeoutError: not all replies came in time.
            ConnectionResetError: the connection is lost.
            RedisError: the server does not speak the protocol, or refuses to go on.

        """
        if self.lost:
            raise ConnectionResetError("the server closed the connection")
        self._replies, self._missing = replies, len(packed)
        self._answered = answered = self._loop.create_future()
        limit = self._loop.call_later(timeout, self._fail, TimeoutError())
        try:
            self._transport.write(b"".join(packed))
            await answered
        except BaseException:
            self._give_up()
            raise
        finally:
            limit.cancel()

    def data_received(self, data: bytes) -> None:
        """Take replies. Called by the transport."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._fail(error)

    def eof_received(self) -> None:
        """Let the transport close. Called by the transport."""
        self.lost = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits. Called by the transport."""
        self.lost = True
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            return  # nobody asked for it
        if isinstance(reply, LostError) or not self._missing:
            self._fail(reply if isinstance(reply, LostError) else InvalidResponse("a reply to nothing"))
            return
        self._replies.append(reply)
        self._missing -= 1
        if not self._missing and self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._give_up()
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    def _give_up(self) -> None:
        """Let nothing else be asked: replies to come belong to what was asked before."""
        self.lost = True
        self._transport.abort()
