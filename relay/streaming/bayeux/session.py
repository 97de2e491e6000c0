"""What is known of a Bayeux session: as it is read, what it is answered with, and why it is no more. Pure."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final, NamedTuple


class Ended(StrEnum):
    """Why there is no session."""

    DISCONNECTED = "disconnected"
    """Its client has ended it."""
    EXPIRED = "expired"
    """Its client was not heard of in time, or there never was one."""
    LOST = "lost"
    """Events it had not been told are gone from the journal."""
    CLOSED = "closed"
    """The server has ended it: its user's credentials are not good any more."""


class Subscribed(Enum):
    """What became of a subscribe."""

    DONE = "done"
    FULL = "full"
    UNKNOWN = "unknown"


class Taken(Enum):
    """What became of the attempt to take a connect's answer, or to note how far a push has come."""

    DONE = "done"
    SUPERSEDED = "superseded"
    """A later connect has begun."""
    UNKNOWN = "unknown"
    """The session is gone."""
    CHANGED = "changed"
    """The session is not as the connect knows it; nothing is taken."""


_OVERTAKEN: Final = -1000
"""What the script answers less the age in milliseconds of a later connect."""
_REFUSED: Final = {0: Taken.SUPERSEDED, -1: Taken.UNKNOWN, -2: Taken.CHANGED}


class Session(NamedTuple):
    """A session as a connect finds it."""

    client: str
    generation: int
    """Which connect of the session it is, from 1."""
    cursor: str
    """Stream id up to which everything is delivered."""
    changed: str
    """Stream id of the last record about the session."""
    subscriptions: dict[str, str]
    """Pattern to the stream id after which entries match it."""
    acks: bool = False
    """Its client acknowledges what it gets."""
    moved: bool = False
    """This connect came by another transport than the last."""


class Answer(NamedTuple):
    """What a connect is to be answered with, or was."""

    account: str
    client: str
    generation: int
    cursor: str
    """Where the session's cursor was before."""
    position: str
    """Where the answer moves it."""


class Took(NamedTuple):
    """What became of a take or a move, and the number of the batch that was taken (0: not acknowledged)."""

    taken: Taken
    batch: int = 0
    age: float = 0.0
    """Seconds since a later connect has begun."""


def batch_of(reply: int) -> int | None:
    """Return the number of the batch that was taken by the store's reply to a take; None if none was."""
    return reply - 1 if reply > 0 else None


def took(reply: int) -> Took:
    """Return what became of a take, or of a move, by the store's reply to it."""
    batch = batch_of(reply)
    if batch is not None:
        return Took(Taken.DONE, batch)
    if reply <= _OVERTAKEN:
        return Took(Taken.SUPERSEDED, age=(_OVERTAKEN - reply) / 1000)
    return Took(_REFUSED[reply])
