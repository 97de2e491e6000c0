"""The exceptions that cross a boundary.

RelayError
├── ConfigurationError         a setting, the directory file or the store cannot be used; said at start
├── UnavailableError           a part is away for now; carries ``retry_after`` (seconds)
│   ├── StoreUnavailableError
│   ├── SwitchUnavailableError
│   ├── ContendedError         too many writers on one session
│   └── DrainingError
└── RefusedError               the request cannot be carried out; a dialect gives it its own code
    ├── InvalidFieldError      carries ``field`` and what is right
    ├── NotFoundError
    ├── NotAllowedError        not this user's to ask
    ├── NotParticipantError    the leg is ended, unknown or somebody else's
    ├── NotAllowedNowError     the leg's state does not allow it; carries ``allowed``
    └── LimitReachedError
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final


class RelayError(Exception):
    """Everything relay raises on purpose."""


class ConfigurationError(RelayError):
    """A setting, the directory file or the store cannot be used as it is."""


class UnavailableError(RelayError):
    """A part is away for now; the same request may succeed after ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


STORE_AWAY: Final = "the store is away; whether the request took effect is not known"


class StoreUnavailableError(UnavailableError):
    """The store did not answer. Whether a write took effect is not known.

    The message may name where the store is: it is for the log, and clients are told `STORE_AWAY`.
    """


class SwitchUnavailableError(UnavailableError):
    """The switch did not answer."""


class ContendedError(UnavailableError):
    """Every try to commit lost the race for the session's version."""


class DrainingError(UnavailableError):
    """This process is stopping and takes no new work."""


class RefusedError(RelayError):
    """The request cannot be carried out."""


class InvalidFieldError(RefusedError):
    """A field's value cannot be used; the message says what is right."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotFoundError(RefusedError):
    """There is no such object for this user."""


class NotAllowedError(RefusedError):
    """The user may not ask this."""


class NotParticipantError(RefusedError):
    """The leg is ended, unknown, or another user's."""


class NotAllowedNowError(RefusedError):
    """The leg's state does not allow the operation."""

    def __init__(self, operation: str, allowed: Iterable[str]) -> None:
        self.operation = operation
        self.allowed = tuple(sorted(allowed))
        listed = ", ".join(self.allowed) or "nothing"
        super().__init__(f"{operation} is not allowed now; allowed: {listed}")


class LimitReachedError(RefusedError):
    """A configured limit is reached."""
