"""Asking the system's resolver for the addresses of names, which may take it long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, final

Found = list["Address"] | Exception


class Address(NamedTuple):
    """Where a name leads."""

    family: int
    where: tuple[Any, ...]
    """As sockets take it: the address in the text's usual form, the port, and what more the family has."""


@final
class Lookups:
    """Each in a thread of its own, so many at a time: who hangs holds up neither loop nor the process's end.

    The loop's own resolver has four threads for all there is to look up or read, the store's name included.
    """

    def __init__(self, at_a_time: int) -> None:
        self._room = asyncio.Semaphore(at_a_time)

    def __repr__(self) -> str:
        return f"Lookups({self._room!r})"

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a name, each with the port.

        Raises:
            OSError: it has none, or nobody can tell.
            UnicodeError: it is no name.

        """
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Address]] = loop.create_future()

        def tell(found: Found) -> None:
            loop.call_soon_threadsafe(self._answered, answer, found)

        thread = threading.Thread(target=_look_up, args=(host, port, tell), name="webhook-name", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._room.release()
            raise OSError("no thread to look a name up") from error
        return await answer

    def _answered(self, answer: asyncio.Future[list[Address]], found: Found) -> None:
        self._room.release()
        if answer.done():
            return  # nobody waits any more
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)


def _look_up(host: str, port: int, tell: Callable[[Found], None]) -> None:
    found: Found
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = [Address(family, where) for family, _, _, _, where in addresses]
    except (OSError, UnicodeError) as error:
        found = error
    with contextlib.suppress(RuntimeError):  # the loop is closed
        tell(found)
