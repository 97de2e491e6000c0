"""A request on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from relay.webhooks.sender import Failure, Permitted, Withheld
from relay.webhooks.sending.connection import Connection
from relay.webhooks.sending.reading import Reading
from relay.webhooks.sending.targets import Origin

Ended = Reading | Failure | Withheld
"""What became of a request."""


@final
class Post:
    """A request that is dialled for or on a connection, and who is told what became of it."""

    __slots__ = ("_then", "connection", "origin", "payload", "permitted", "until")

    def __init__(self, until: float, permitted: Permitted, then: Callable[[Ended], None]) -> None:
        self.until = until
        """When the answer must be there, by the loop's clock."""
        self.permitted = permitted
        self.origin: Origin
        self.payload: bytes
        self.connection: Connection | None = None
        self._then: Callable[[Ended], None] | None = then

    def __repr__(self) -> str:
        state = "ended" if self._then is None else self.connection or "dialling"
        return f"Post({state})"

    def end(self, ended: Ended) -> None:
        """Tell what became of it, unless it was let go of."""
        then, self._then, self.connection = self._then, None, None
        if then is not None:
            then(ended)

    def cancel(self) -> None:
        """Let go of it: nobody is told what becomes of it, and what was not written is not."""
        self._then, self.permitted = None, _never
        if self.connection is not None:
            self.connection.drop()


def _never() -> bool:
    return False
