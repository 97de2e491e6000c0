"""Rate limits per user, counted in the store: whichever process a request meets, it counts once."""

from __future__ import annotations

from typing import Final, NamedTuple

from relay.directory.model import Principal
from relay.errors import RefusedError
from relay.journal.scripts import Script
from relay.journal.store import Store

_RATE: Final = Script("rate")


class Policy(NamedTuple):
    """How many requests of a scope a user has in each window."""

    scope: str
    quota: int
    window: int
    """Seconds."""


class Standing(NamedTuple):
    """Where a user stands in a policy after the request that was just counted."""

    policy: Policy
    used: int
    reset: int
    """Seconds until the window ends, at least 1."""

    @property
    def headers(self) -> dict[str, str]:
        """The fields of the IETF draft on RateLimit header fields, and Retry-After once exceeded."""
        scope, quota, window = self.policy
        headers = {
            "RateLimit-Policy": f'"{scope}";q={quota};w={window}',
            "RateLimit": f'"{scope}";r={max(0, quota - self.used)};t={self.reset}',
        }
        if self.exceeded:
            headers["Retry-After"] = str(self.reset)
        return headers

    @property
    def exceeded(self) -> bool:
        """Whether the request is one too many."""
        return self.used > self.policy.quota


class RateLimitedError(RefusedError):
    """The user has used up a window's requests; carries ``standing``."""

    def __init__(self, standing: Standing) -> None:
        policy = standing.policy
        super().__init__(
            f"more than {policy.quota} requests in {policy.window} s ({policy.scope}); "
            f"the next are taken in {standing.reset} s"
        )
        self.standing = standing


class RateLimits:
    """Counts requests in fixed windows: one short script each, sent in a batch with other commands."""

    def __init__(self, store: Store, *, enabled: bool) -> None:
        self._store = store
        self._enabled = enabled

    def __repr__(self) -> str:
        return f"<RateLimits {'on' if self._enabled else 'off'}>"

    async def count(self, policy: Policy, principal: Principal) -> Standing | None:
        """Count a request and return where its user stands; None while limits are off.

        Raises:
            StoreUnavailableError: it could not be counted.

        """
        if not self._enabled:
            return None
        key = self._store.keys(principal.account).rate(policy.scope, principal.user.id)
        used, left = await self._store.run(_RATE, [key], [policy.window * 1000])
        return Standing(policy, used, max(1, -(-left // 1000)))
