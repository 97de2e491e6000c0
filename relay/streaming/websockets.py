"""What every dialect's WebSockets have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final, Protocol

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from relay.streaming.bayeux.origins import is_allowed
from relay.streaming.stream import End

CLOSE_WITHIN: Final = 2.0
"""Seconds a client may take to answer a close."""


class OverError(Exception):
    """Nothing more is to be taken from a socket; it closes with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"to be closed with {code}")
        self.code = code


class Incoming:
    """What comes on a socket, until somebody hangs up.

    Who receives must close the socket then. Anybody else's close would break the connection off before the
    client has answered (RFC 6455, section 7.1.1), and with it what the client has not read yet.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._code: int | None = None
        self._wait: asyncio.Timeout | None = None
        self._over = asyncio.Event()

    def __repr__(self) -> str:
        state = "over" if self._over.is_set() else "open" if self._code is None else "hung up"
        return f"Incoming({state})"

    async def receive(self, seconds: float) -> bytes:
        """Return the text that comes next.

        Raises:
            OverError: somebody has hung up, the client has, or what came is not text.
            TimeoutError: nothing came for so long.

        """
        if self._code is not None:
            raise OverError(self._code)
        try:
            async with asyncio.timeout(seconds) as self._wait:
                message = await self._socket.receive()
        except TimeoutError:
            if self._code is not None:
                raise OverError(self._code) from None
            raise
        finally:
            self._wait = None
        if message.type is WSMsgType.TEXT:
            text: bytes = message.data  # the socket was told not to decode it
            return text
        raise OverError(WSCloseCode.UNSUPPORTED_DATA if message.type is WSMsgType.BINARY else WSCloseCode.OK)

    def hang_up(self, code: int) -> None:
        """Have the socket closed with a code as soon as nothing that came is being carried out."""
        if self._code is None:
            self._code = code
            if self._wait is not None and not self._wait.expired():
                self._wait.reschedule(0)

    def over(self) -> None:
        """Note that the socket is closed, or broken off."""
        self._over.set()

    async def closed(self) -> None:
        """Wait until the socket is closed."""
        await self._over.wait()


class Cuts(Protocol):
    """Counts of the sockets that were cut off."""

    cut_buffer: int
    """They let too much wait."""
    cut_slow: int
    """They took nothing for too long."""


def count_cut(cuts: Cuts, why: End) -> None:
    """Count a socket that was cut off."""
    if why is End.BUFFER:
        cuts.cut_buffer += 1
    else:
        cuts.cut_slow += 1


def may_open(request: web.Request, *, base_url: str, listed: Collection[str]) -> bool:
    """Tell whether the page that asks may open a socket: it is relay's own, listed, or none."""
    return is_allowed(
        request.headers.get(hdrs.ORIGIN),
        host=request.headers.get(hdrs.HOST),
        base_url=base_url,
        listed=listed,
    )
