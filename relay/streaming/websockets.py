"""What every dialect's WebSockets have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from aiohttp import hdrs, web

from relay.streaming.bayeux.origins import is_allowed
from relay.streaming.stream import End


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


async def close(socket: web.WebSocketResponse, code: int) -> None:
    """Close a socket; as a coroutine that returns nothing it can be a task of its own."""
    await socket.close(code=code)
