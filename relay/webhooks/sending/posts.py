"""A request on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from relay.webhooks.attempts import ErrorCode
from relay.webhooks.sender import Answer, Failure, Permitted, Sent
from relay.webhooks.sending.connection import Connection, Outcome
from relay.webhooks.sending.heads import Head
from relay.webhooks.sending.reading import Reading
from relay.webhooks.sending.targets import Origin

_RESET: Final = Failure(ErrorCode.CONNECTION_RESET)


@final
class Post:
    """A request that is dialled for or on a connection, and who is told what became of it."""

    __slots__ = ("_then", "connection", "head", "origin", "payload", "permitted", "redial", "until")

    def __init__(self, until: float, permitted: Permitted, then: Callable[[Sent], None]) -> None:
        self.until = until
        """When the answer must be there, by the loop's clock."""
        self.permitted = permitted
        self.origin: Origin
        self.payload: bytes
        self.connection: Connection | None = None
        self.head: Head | None = None
        """The answer's."""
        self.redial: Callable[[Post], None] | None = None
        """Called where a kept connection turns out to be closed; None on a new one."""
        self._then: Callable[[Sent], None] | None = then

    def __repr__(self) -> str:
        state = "ended" if self._then is None else self.connection or "dialling"
        return f"Post({state})"

    def answered(self, outcome: Outcome) -> None:
        """Take what its connection has come to."""
        self.connection = None
        if isinstance(outcome, Reading):
            self.head = head = outcome.head
            assert head is not None, "an answer that is done has a head"  # noqa: S101
            self.end(Answer(head.status, outcome.body, outcome.truncated, head.retry_after))
        elif isinstance(outcome, Failure):
            self.end(outcome)
        elif self.redial is not None:
            redial, self.redial = self.redial, None
            redial(self)
        else:
            self.end(_RESET)

    def end(self, sent: Sent) -> None:
        """Tell what became of it, unless it was let go of."""
        then, self._then = self._then, None
        if then is not None:
            then(sent)

    def cancel(self) -> None:
        """Let go of it: nobody is told what becomes of it, and what was not written is not."""
        self._then, self.permitted, self.redial = None, _never, None
        if self.connection is not None:
            self.connection.drop()


def _never() -> bool:
    return False
