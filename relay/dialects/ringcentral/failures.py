"""Errors as RingCentral answers them: a code and a message at the top, and again inside ``errors``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from relay import errors
from relay.http.body import (
    BodyTooLargeError,
    DoubleEncodedJsonError,
    InvalidJsonError,
    UnsupportedMediaTypeError,
)

OAUTH: Final = "/restapi/oauth/"
"""Below this path errors have the form of OAuth (RFC 6749, section 5.2)."""

REQUEST_ID: Final = "RCRequestId"
"""Header that names a request, on every answer."""

_NOT_ALLOWED: Final = "Operation is not allowed"


class ApiError(errors.RefusedError):
    """A refusal by RingCentral's own code; ``details`` are shown beside it and at the top.

    ``word`` is the older name that some errors have at the top in place of the code.
    """

    def __init__(
        self, status: int, code: str, message: str, *, word: str | None = None, **details: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.word = word or code
        self.details = details


class OAuthError(errors.RefusedError):
    """A refusal of the token endpoint: OAuth's error code, and RingCentral's."""

    def __init__(self, error: str, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.code = code
        self.status = status


class _Answer(NamedTuple):
    status: int
    code: str
    message: str
    details: Mapping[str, Any] = MappingProxyType({})
    word: str = ""
    """At the top in place of the code."""


_encode = msgspec.json.Encoder().encode


def invalid(parameter: str, right: str = "") -> ApiError:
    """Return the refusal of a parameter's value; ``right`` says what would be right."""
    message = f"Parameter [{parameter}] value is invalid"
    told = f"{message}: {right}" if right else message
    return ApiError(400, "CMN-101", told, parameterName=parameter)


def not_found(parameter: str) -> ApiError:
    """Return the refusal of an id that names nothing the user could see."""
    message = f"Resource for parameter [{parameter}] is not found"
    return ApiError(404, "CMN-102", message, parameterName=parameter)


def not_permitted(permission: str) -> ApiError:
    """Return the refusal of what only a user with that permission may ask."""
    message = f"In order to call this API endpoint, user needs to have [{permission}] permission"
    return ApiError(403, "CMN-408", message, word="InsufficientPermissions", permissionName=permission)


def forbidden() -> ApiError:
    """Return the refusal of an operation on a call that is not the user's."""
    return ApiError(403, "TAS-106", _NOT_ALLOWED)


def wrong_state() -> ApiError:
    """Return the refusal of an operation that the party's state does not allow."""
    return ApiError(409, "TAS-106", _NOT_ALLOWED)


def json_response(shown: Any, status: int = 200) -> web.Response:
    """Answer in JSON."""
    return web.Response(
        status=status, body=_encode(shown), headers={"Content-Type": "application/json;charset=utf-8"}
    )


def request_id() -> str:
    """Return a new name for a request."""
    return secrets.token_hex(12)


def render_error(request: web.Request, error: Exception) -> web.Response:
    """Answer for an exception. What nobody meant to raise is told nothing of."""
    if isinstance(error, OAuthError):
        response = _oauth(error.status, error.error, error.code, str(error))
    else:
        answer = _answer(error)
        if (
            request.path.startswith(OAUTH)
            and not isinstance(error, ApiError)
            and answer.status != HTTPStatus.NOT_FOUND
        ):
            word = "temporarily_unavailable" if answer.status >= 500 else "invalid_request"
            response = _oauth(answer.status, word, answer.code, answer.message)
        else:
            response = json_response(_general(answer), answer.status)
    response.headers[REQUEST_ID] = request_id()
    return response


def explain(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return the status and the body that answer for an exception."""
    answer = _answer(error)
    return answer.status, _general(answer)


def _general(answer: _Answer) -> dict[str, Any]:
    inner = {"errorCode": answer.code, "message": answer.message, **answer.details}
    word = answer.word or answer.code
    return {"errorCode": word, "message": answer.message, "errors": [inner], **answer.details}


def _oauth(status: int, error: str, code: str, message: str) -> web.Response:
    inner = {"errorCode": code, "message": message}
    response = json_response({"error": error, "errors": [inner], "error_description": message}, status)
    response.headers["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Basic realm="relay"'
    return response


def _answer(error: Exception) -> _Answer:
    if isinstance(error, ApiError):
        return _Answer(error.status, error.code, str(error), error.details, error.word)
    return _translated(error)


def _translated(error: Exception) -> _Answer:
    match error:
        case errors.InvalidFieldError():
            parameter = error.field or "body"
            message = f"Parameter [{parameter}] value is invalid: {error}"
            return _Answer(400, "CMN-101", message, {"parameterName": parameter})
        case InvalidJsonError() | DoubleEncodedJsonError():
            return _Answer(400, "CMN-103", f"JSON cannot be parsed: {error}")
        case UnsupportedMediaTypeError():
            return _Answer(415, "CMN-104", str(error))
        case BodyTooLargeError() | web.HTTPRequestEntityTooLarge():
            return _Answer(413, "CMN-104", "The request is too large")
        case errors.NotFoundError():
            return _Answer(404, "CMN-102", "Resource is not found")
        case errors.NotParticipantError() | errors.NotAllowedNowError():
            return _Answer(409, "TAS-106", _NOT_ALLOWED)
        case errors.NotAllowedError():
            return _Answer(403, "TAS-106", _NOT_ALLOWED)
        case errors.LimitReachedError():
            return _Answer(403, "SUB-505", f"Subscriptions limit exceeded: {error}")
        case errors.UnavailableError():
            return _Answer(503, "CMN-201", "Service Temporary Unavailable")
        case web.HTTPNotFound():
            return _Answer(404, "CMN-120", "Invalid URI")
        case web.HTTPException() if error.status < 500:
            return _Answer(error.status, "CMN-104", error.reason)
        case errors.RefusedError():
            return _Answer(400, "CMN-101", str(error))
    return _Answer(500, "CMN-203", "Internal Server Error")
