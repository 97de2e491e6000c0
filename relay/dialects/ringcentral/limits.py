"""Usage plan groups: how many requests of a kind a user may send through an app in each minute."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from relay.dialects.ringcentral.failures import ApiError
from relay.journal.scripts import Script
from relay.journal.store import Store

WINDOW: Final = 60
"""Seconds that are looked back on at each request."""
PENALTY: Final = 60
"""Seconds without any request after which a user who sent too many is served again."""

_SLIDING: Final = Script("rate_sliding")


class Group(StrEnum):
    """The published groups; each endpoint is in one."""

    LIGHT = "light"
    MEDIUM = "medium"
    HEAVY = "heavy"
    AUTH = "auth"


PUBLISHED: Final = (50, 40, 10, 5)
"""Requests a minute in the order of `Group`, as published."""


class Standing(NamedTuple):
    """Where a user stands in a group after a request."""

    group: Group
    quota: int
    used: int
    allowed: bool

    @property
    def headers(self) -> dict[str, str]:
        """The published headers, which every answer has; and Retry-After once it was one too many."""
        headers = {
            "X-Rate-Limit-Group": self.group.value,
            "X-Rate-Limit-Limit": str(self.quota),
            "X-Rate-Limit-Remaining": str(self.quota - self.used if self.allowed else 0),
            "X-Rate-Limit-Window": str(WINDOW),
        }
        return headers if self.allowed else {**headers, "Retry-After": str(PENALTY)}

    def refusal(self) -> ApiError:
        """Return the answer to one request too many."""
        return ApiError(429, "CMN-301", "Request rate exceeded")


class Limits:
    """Counts requests in the store: whichever process a request meets, it counts once."""

    def __init__(self, store: Store, quotas: Sequence[int], *, enabled: bool) -> None:
        """Take requests a minute in the order of `Group`."""
        self._store = store
        self._quotas = dict(zip(Group, quotas, strict=True))
        self._enabled = enabled

    def __repr__(self) -> str:
        return f"<Limits {self._quotas if self._enabled else 'off'}>"

    async def count(self, group: Group, account: str, client_id: str, who: str) -> Standing | None:
        """Count a request of somebody through an app, or refuse it; None while limits are off.

        Raises:
            StoreUnavailableError: it could not be counted.

        """
        if not self._enabled:
            return None
        # What a login claims goes into a key: a hash of it is short, and tells nothing.
        user = hashlib.sha256(f"{client_id}\n{who}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        keys, quota = self._store.keys(account), self._quotas[group]
        scope = f"ringcentral-{group}"
        allowed, used = await self._store.run(
            _SLIDING,
            [keys.rate(scope, user), keys.rate(f"{scope}-penalty", user)],
            [quota, WINDOW * 1000, PENALTY * 1000],
        )
        return Standing(group, quota, used, allowed == 1)
