"""How GWS answers for an exception."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from relay.dialects.gws.envelope import (
    AccessDeniedError,
    CsrfError,
    MissingParameterError,
    StatusCode,
    failure,
)
from relay.errors import (
    STORE_AWAY,
    InvalidFieldError,
    LimitReachedError,
    NotAllowedError,
    NotAllowedNowError,
    NotFoundError,
    NotParticipantError,
    StoreUnavailableError,
    SwitchUnavailableError,
    UnavailableError,
)
from relay.http.body import (
    BodyTooLargeError,
    DoubleEncodedJsonError,
    InvalidJsonError,
    UnsupportedMediaTypeError,
)
from relay.http.rate_limits import RateLimitedError

_CODES: Final[tuple[tuple[type[Exception], StatusCode, HTTPStatus | None], ...]] = (
    (AccessDeniedError, StatusCode.NOT_AUTHENTICATED, None),
    (CsrfError, StatusCode.FORBIDDEN, None),
    (MissingParameterError, StatusCode.PARAMETER_MISSING, None),
    (InvalidJsonError, StatusCode.PARAMETER_MISSING, None),
    (DoubleEncodedJsonError, StatusCode.PARAMETER_MISSING, None),
    (UnsupportedMediaTypeError, StatusCode.PARAMETER_MISSING, None),
    (BodyTooLargeError, StatusCode.OUT_OF_RANGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidFieldError, StatusCode.NOT_VALID_NOW, None),
    (NotAllowedNowError, StatusCode.NOT_VALID_NOW, None),
    # The routes have found the user's own leg before they ask for anything: it can only have ended since.
    (NotParticipantError, StatusCode.NOT_VALID_NOW, None),
    (NotAllowedError, StatusCode.NOT_PERMITTED, None),
    (NotFoundError, StatusCode.NOT_FOUND, None),
    (LimitReachedError, StatusCode.FORBIDDEN, None),
    (RateLimitedError, StatusCode.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS),
    (SwitchUnavailableError, StatusCode.INTERNAL_ERROR, None),
    (UnavailableError, StatusCode.INTERNAL_ERROR, HTTPStatus.SERVICE_UNAVAILABLE),
    (web.HTTPNotFound, StatusCode.NOT_FOUND, None),
    (web.HTTPMethodNotAllowed, StatusCode.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED),
    (web.HTTPRequestEntityTooLarge, StatusCode.OUT_OF_RANGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
"""Exception, code, and the HTTP status where it is not the code's own."""


def render_error(_request: web.Request, error: Exception) -> web.Response:
    """Answer for an exception: its code and message; for one nobody meant to raise, only that it happened."""
    if isinstance(error, InvalidFieldError) and not error.field:
        return failure(StatusCode.PARAMETER_MISSING, _message(error))  # what is no object has no parameters
    for kind, code, status in _CODES:
        if isinstance(error, kind):
            return failure(code, _message(error), status)
    if isinstance(error, web.HTTPException) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return failure(StatusCode.OUT_OF_RANGE, _message(error), error.status)
    return failure(StatusCode.INTERNAL_ERROR, "Internal error")


def _message(error: Exception) -> str:
    if isinstance(error, web.HTTPException):
        return error.reason
    if isinstance(error, InvalidFieldError) and error.field:
        return f"{error.field}: {error}"
    return STORE_AWAY if isinstance(error, StoreUnavailableError) else str(error)
