"""The optional CSRF protection of GWS (API 8.5.2, CSRF protection).

Answers to reads name a header and give its value; whatever changes something must bring the header and the
session cookie. The value follows from the session's token: every process knows it, and it ends with the
session.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import Final

from aiohttp import hdrs, web

NAMED: Final = "X-CSRF-HEADER"
"""Names the header that carries the token."""
HEADER: Final = "X-CSRF-TOKEN"
MESSAGE: Final = "Missing or invalid Csrf token"

_READS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


def csrf_token(session: str) -> str:
    """Return the value that shows that a request comes from who was given the session."""
    # One way, so that the header, which scripts of the page can read, does not tell them the cookie.
    digest = hashlib.sha256(b"relay gws csrf\0" + session.encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def is_guarded(request: web.BaseRequest) -> bool:
    """Whether the request may change something."""
    return request.method not in _READS


def brings_token(request: web.BaseRequest, session: str) -> bool:
    """Whether the request has the token of a session."""
    given = request.headers.get(HEADER, "")
    return hmac.compare_digest(given.encode(), csrf_token(session).encode())


def offer_token(response: web.StreamResponse, session: str) -> None:
    """Tell the client which header to send, with which value."""
    response.headers[NAMED] = HEADER
    response.headers[HEADER] = csrf_token(session)
