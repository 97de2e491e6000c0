"""Sending requests: the interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from relay.webhooks.attempts import ErrorCode
from relay.webhooks.sending.targets import Target


class Request(NamedTuple):
    """One POST."""

    to: Target
    fields: bytes
    """Lines of the header fields that this request has beside its target's, each ended by CR LF."""
    body: bytes
    timeout: float
    """Seconds for all of it, dialling and the answer's body included."""


class Answer(NamedTuple):
    """What the endpoint answered."""

    status: int
    body: bytes = b""
    """The first `CAPTURE` bytes at most."""
    truncated: bool = False
    """There was more, or it broke off."""
    retry_after: str | None = None


class Exchange(NamedTuple):
    """An answer with its head."""

    answer: Answer
    headers: Mapping[str, str]
    """By name in any case."""


class Failure(NamedTuple):
    """Why there is no complete answer."""

    error: ErrorCode


class Withheld(NamedTuple):
    """Nothing was sent: it was not permitted when there was a connection, or no file is left for one."""


Sent = Answer | Failure | Withheld
"""What becomes of a request."""

Permitted = Callable[[], bool]
"""Tells whether a request may still be made. Asked right before its bytes are written, however long the
connection took or the process was stopped: what comes late must not follow what another owner sent since."""


def always() -> bool:
    """Permit every request."""
    return True


class Posted(Protocol):
    """A request on its way."""

    def cancel(self) -> None:
        """Let go of it; nobody is told what becomes of it."""
        ...


class Sender(Protocol):
    """Whoever moves the bytes of requests. Slots and limits are the caller's."""

    def post(self, request: Request, permitted: Permitted, then: Callable[[Sent], None]) -> Posted:
        """Send once if it is permitted, and call a function once, later, with what became of it.

        It never raises for what an endpoint or a network does.
        """
        ...

    async def send(self, request: Request, permitted: Permitted = always) -> Sent:
        """Do the same, and return what became of it."""
        ...

    async def exchange(self, request: Request) -> Exchange | Failure:
        """Send once, for an answer whose head matters too."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
