"""Find out whom a request speaks for, by its Authorization header."""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from relay.directory.directory import Directory
from relay.directory.model import Principal


def bearer_token(request: web.BaseRequest) -> str | None:
    """Return the token of the Bearer scheme (RFC 6750, section 2.1), or None without one."""
    return _credentials(request, "bearer")


def basic_credentials(request: web.BaseRequest) -> tuple[str, str] | None:
    """Return login and password of the Basic scheme (RFC 7617, in UTF-8), or None without usable ones."""
    given = _credentials(request, "basic")
    if given is None:
        return None
    try:
        login, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (login, password) if colon else None


async def principal(
    request: web.BaseRequest, directory: Directory, *, basic: bool, bearer: bool
) -> Principal | None:
    """Return whom the request speaks for, or None where it says nothing usable of it.

    Raises:
        UnavailableError: too many passwords are being verified.

    """
    if bearer and (token := bearer_token(request)) is not None:
        return await directory.by_token(token)
    if basic and (given := basic_credentials(request)) is not None:
        return await directory.by_password(*given)
    return None


def _credentials(request: web.BaseRequest, wanted: str) -> str | None:
    # Scheme names are case-insensitive (RFC 9110, section 11.1).
    scheme, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
    return rest.strip() if scheme.lower() == wanted else None
