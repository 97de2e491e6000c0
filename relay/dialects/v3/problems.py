"""Errors as v3 answers them: ``application/problem+json`` (RFC 9457) with stable codes and JSON pointers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from relay import errors
from relay.dialects.v3.access import InvalidTokenError, MissingTokenError, NotOwnerError, TenantMismatchError
from relay.http.body import (
    BodyTooLargeError,
    DoubleEncodedJsonError,
    InvalidJsonError,
    UnsupportedMediaTypeError,
)
from relay.http.rate_limits import RateLimitedError
from relay.subscriptions.sealing import SealedError
from relay.subscriptions.stored import UnreadableError
from relay.webhooks.repair import BodyExpiredError, SubscriptionDisabledError

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:relay:problem:"
"""Begins every problem's ``type``; its code follows."""


class Fault(NamedTuple):
    """One thing that is wrong with a body."""

    pointer: str
    """JSON pointer (RFC 6901) to it, empty for the whole body."""
    code: str
    """``required``, ``unknown`` or ``invalid``."""
    detail: str


class InvalidBodyError(errors.RefusedError):
    """The body's shape is wrong; carries ``faults``, and the problem's code."""

    def __init__(self, faults: Sequence[Fault], *, code: str = "invalid_field") -> None:
        super().__init__("; ".join(f"{fault.pointer or 'the body'} {fault.detail}" for fault in faults))
        self.faults = tuple(faults)
        self.code = code


class InvalidParameterError(errors.RefusedError):
    """A query parameter or header field cannot be used; carries which, as ``parameter`` or ``header``."""

    def __init__(self, message: str, *, parameter: str = "", header: str = "") -> None:
        super().__init__(f"{parameter or header} {message}")
        self.item = {"parameter": parameter} if parameter else {"header": header}
        self.item |= {"code": "invalid", "detail": message}


class IdempotencyKeyReusedError(errors.RefusedError):
    """The idempotency key was used with another body."""


class IdempotencyKeyInUseError(errors.UnavailableError):
    """The first request with this idempotency key is still being carried out."""


class StreamsExceededError(errors.UnavailableError):
    """The user has all the event streams that a user may have open here."""


class _Kind(NamedTuple):
    status: int
    code: str
    title: str


_KINDS: Final[dict[type[Exception], _Kind]] = {
    InvalidJsonError: _Kind(400, "invalid_json", "The body is not JSON"),
    DoubleEncodedJsonError: _Kind(400, "double_encoded_json", "The body was encoded twice"),
    InvalidParameterError: _Kind(400, "invalid_field", "A parameter cannot be used"),
    MissingTokenError: _Kind(401, "missing_token", "A token is needed"),
    InvalidTokenError: _Kind(401, "invalid_token", "The token is not known"),
    TenantMismatchError: _Kind(403, "tenant_mismatch", "The tenant is not the token's"),
    NotOwnerError: _Kind(403, "scope_missing", "You may not do this"),
    errors.NotAllowedError: _Kind(403, "extension_not_owned", "The extension is not yours"),
    errors.NotParticipantError: _Kind(403, "not_active_participant", "You do not take part in this call leg"),
    errors.NotFoundError: _Kind(404, "not_found", "There is nothing here"),
    errors.NotAllowedNowError: _Kind(409, "not_allowed_now", "The state does not allow this"),
    UnreadableError: _Kind(409, "subscription_unreadable", "The subscription cannot be read"),
    SubscriptionDisabledError: _Kind(409, "subscription_disabled", "The subscription is disabled"),
    BodyExpiredError: _Kind(409, "body_expired", "The event is not kept any more"),
    errors.LimitReachedError: _Kind(409, "limit_reached", "A limit is reached"),
    IdempotencyKeyInUseError: _Kind(409, "idempotency_key_in_use", "The first request is not finished"),
    BodyTooLargeError: _Kind(413, "body_too_large", "The body is too large"),
    UnsupportedMediaTypeError: _Kind(415, "unsupported_media_type", "The media type is not read here"),
    InvalidBodyError: _Kind(422, "invalid_field", "A field cannot be used"),
    errors.InvalidFieldError: _Kind(422, "invalid_field", "A field cannot be used"),
    IdempotencyKeyReusedError: _Kind(422, "idempotency_key_reused", "The idempotency key was used before"),
    errors.RefusedError: _Kind(422, "invalid_field", "The request cannot be carried out"),
    RateLimitedError: _Kind(429, "rate_limited", "Too many requests"),
    StreamsExceededError: _Kind(429, "too_many_streams", "Too many event streams"),
    SealedError: _Kind(503, "secrets_unavailable", "Stored secrets cannot be opened"),
    errors.StoreUnavailableError: _Kind(503, "store_unavailable", "The store is away"),
    errors.SwitchUnavailableError: _Kind(503, "switch_unavailable", "The switch is away"),
    errors.DrainingError: _Kind(503, "draining", "This process is stopping"),
    errors.UnavailableError: _Kind(503, "overloaded", "Too much at once"),
}
"""By exception; for one that is not listed, its nearest listed base counts."""

_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_UNKNOWN: Final = _Kind(500, "internal_error", "Something went wrong here")


def render_error(_request: web.Request, error: Exception) -> web.Response:
    """Answer for an exception. What nobody meant to raise is told nothing of."""
    kind = _kind(error)
    meant = isinstance(error, errors.RelayError) and kind is not _UNKNOWN
    detail = str(error) if meant else kind.title
    if isinstance(error, errors.StoreUnavailableError):
        detail = errors.STORE_AWAY
    response = problem(kind, detail, **_extras(error))
    if kind.status == 401:
        invalid = ', error="invalid_token"' if isinstance(error, InvalidTokenError) else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="relay"{invalid}'
    if isinstance(error, RateLimitedError):
        response.headers.update(error.standing.headers)
    return response


def problem(kind: _Kind, detail: str, **extras: Any) -> web.Response:
    """Make a problem's response; ``extras`` are further members."""
    shown = {
        "type": TYPE + kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        **extras,
    }
    return web.Response(status=kind.status, body=msgspec.json.encode(shown), content_type=MEDIA_TYPE)


def _kind(error: Exception) -> _Kind:
    if isinstance(error, web.HTTPException):
        code = _HTTP_CODES.get(error.status, "http_error")
        return _Kind(error.status, code, error.reason)
    for base in type(error).__mro__:
        if base in _KINDS:
            kind = _KINDS[base]
            return kind._replace(code=error.code) if isinstance(error, InvalidBodyError) else kind
    return _UNKNOWN


def _extras(error: Exception) -> dict[str, Any]:
    match error:
        case InvalidBodyError():
            return {"errors": [fault._asdict() for fault in error.faults]}
        case errors.InvalidFieldError():
            pointer = f"/{error.field}" if error.field else ""
            return {"errors": [Fault(pointer, "invalid", str(error))._asdict()]}
        case InvalidParameterError():
            return {"errors": [error.item]}
        case InvalidJsonError():
            return {"position": error.position}
        case errors.NotAllowedNowError():
            return {"allowed": error.allowed}
        case UnsupportedMediaTypeError():
            return {"accepted": error.accepted}
        case BodyTooLargeError():
            return {"limit": error.limit}
    return {}
