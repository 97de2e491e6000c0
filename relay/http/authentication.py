"""Find out whom a request speaks for, by its Authorization header."""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from relay.directory.directory import Directory
from relay.directory.model import Principal


def bearer_token(request: web.BaseRequest) -> str | None:
    """Return the token of the Bearer scheme (RFC 6750, section 2.1), or None without one."""
    scheme, given = _given(request)
    return given if scheme == "bearer" else None


def basic_credentials(request: web.BaseRequest) -> tuple[str, str] | None:
    """Return login and password of the Basic scheme (RFC 7617, in UTF-8), or None without usable ones."""
    scheme, given = _given(request)
    return _login(given) if scheme == "basic" else None


def _login(given: str) -> tuple[str, str] | None:
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
    scheme, given = _given(request)
    if bearer and scheme == "bearer":
        return await directory.by_token(given)
    if basic and scheme == "basic" and (login := _login(given)) is not None:
        return await directory.by_password(*login)
    return None


def _given(request: web.BaseRequest) -> tuple[str, str]:
    """Return the scheme, whose case says nothing (RFC 9110, section 11.1), and what follows it."""
    scheme, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
    return scheme.lower(), rest.strip()
