"""Accounts, users and devices as the directory knows them; credentials are kept apart from these values."""

from __future__ import annotations

import msgspec

PICKUP_AFTER = 0.2
"""Seconds after which a simulated phone picks up its own click-to-dial."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A phone of a user. The two delays, in seconds, are for simulated phones only."""

    id: str
    number: str
    """Directory number, or E.164 with its plus sign; one of a kind in its account."""
    answer_after: float | None = None
    """Answer an incoming call by itself after this long; None: ring until the API answers."""
    pickup_after: float | None = PICKUP_AFTER
    """Pick up its own click-to-dial after this long; None: ring until the API answers."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person of an account."""

    id: str
    """32 lower-case hex digits, stable."""
    login: str
    """What the user types to log in; one of a kind in the whole directory."""
    first_name: str
    last_name: str
    extension: str | None
    devices: tuple[Device, ...]
    roles: frozenset[str]
    """Of ``agent`` and ``admin``."""
    ringcentral_id: str
    """RingCentral extension id, decimal digits."""

    @property
    def name(self) -> str:
        """The display name, such as ``Jane Doe``."""
        return f"{self.first_name} {self.last_name}".strip() or self.login


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant: the boundary that nothing is seen across."""

    id: str
    name: str
    ringcentral_id: str
    """RingCentral account id, decimal digits."""
    users: tuple[User, ...]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """An OAuth client application of an account."""

    id: str
    account: str


class Principal(msgspec.Struct, frozen=True):
    """Whom a request speaks for."""

    account: str
    user: User
    login: str = ""
    """Hash of the session cookie that speaks for the user; empty where credentials come with each request."""

    @property
    def is_admin(self) -> bool:
        """Whether the user may see and subscribe to everything of the account."""
        return "admin" in self.user.roles

    @property
    def name(self) -> str:
        """The user's display name."""
        return self.user.name

    def owns_extension(self, extension: str) -> bool:
        """Whether the extension is the user's own; an admin owns none but a given one."""
        return self.user.extension is not None and self.user.extension == extension
