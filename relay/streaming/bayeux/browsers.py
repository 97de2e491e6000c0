"""Browsers, told apart by CometD's cookie, and how many connects each may have held."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiohttp import hdrs, web

COOKIE: Final = "BAYEUX_BROWSER"
"""CometD's name for it. An unknown value is taken as it is: it is a label, and no secret."""
CROWDED_INTERVAL: Final = 2000
"""Milliseconds between the connects of a session whose browser holds all it may (CometD's default)."""

_LABEL: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,128}", re.ASCII)


class Browsers:
    """What is known of browsers in this process. ``limit`` is connects held of each at a time; 0: any."""

    def __init__(self, *, secure: bool, cross_site: bool, strict: bool, limit: int) -> None:
        """Say whether cookies are for HTTPS only, and whether sessions are good in one browser only.

        Only a secure cookie is sent ``cross_site``, by pages of other sites.
        """
        self.strict = strict
        self._secure = secure
        self._same_site = "None" if secure and cross_site else "Lax"
        self._limit = limit
        self._held: dict[str, Counter[str]] = {}

    def __repr__(self) -> str:
        return f"Browsers({len(self._held)} with held connects{', strict' * self.strict})"

    @property
    def limited(self) -> bool:
        """Whether a browser may have only so many connects held."""
        return self._limit > 0

    def of(self, request: web.Request) -> str:
        """Return what a request's browser is known by, if by anything."""
        if hdrs.COOKIE not in request.headers:
            return ""
        given = request.cookies.get(COOKIE, "")
        return given if _LABEL.fullmatch(given) else ""

    def new(self) -> str:
        """Return a label for a browser that has none."""
        return secrets.token_hex(16)

    def mark(self, request: web.Request, response: web.StreamResponse, browser: str) -> None:
        """Have the browser keep its label."""
        if request.cookies.get(COOKIE) != browser:
            response.set_cookie(COOKIE, browser, httponly=True, secure=self._secure, samesite=self._same_site)

    def crowded(self, browser: str, client: str) -> dict[str, Any] | None:
        """Return advice for a session whose browser already holds all the connects it may, else None."""
        others = self._held.get(browser, Counter()).keys() - {client}
        if not self._limit or len(others) < self._limit:
            return None
        return {"reconnect": "retry", "interval": CROWDED_INTERVAL, "multiple-clients": True}

    @contextmanager
    def holding(self, browser: str, client: str) -> Iterator[None]:
        """Count a connect as held."""
        held = self._held.setdefault(browser, Counter())
        held[client] += 1
        try:
            yield
        finally:
            held[client] -= 1
            if not held[client]:
                del held[client]
            if not held:
                self._held.pop(browser, None)
