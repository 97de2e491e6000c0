"""The envelope of every GWS answer: a JSON object with an integer ``statusCode``, and an HTTP status to fit.

A failure has ``statusMessage`` beside it and nothing else. Clients take a non-zero code in a 200, and a zero
code in an error, for a fault: so the two are always made together.
"""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from relay.errors import RefusedError


class StatusCode(IntEnum):
    """GWS's own result codes (API 8.5.2, return values)."""

    SUCCESS = 0
    PARAMETER_MISSING = 1
    NOT_VALID_NOW = 2
    FORBIDDEN = 3
    INTERNAL_ERROR = 4
    NOT_PERMITTED = 5
    NOT_FOUND = 6
    PARTIAL_SUCCESS = 7
    OUT_OF_RANGE = 10
    NOT_AUTHENTICATED = 20


HTTP_STATUS: Final[dict[StatusCode, HTTPStatus]] = {
    StatusCode.SUCCESS: HTTPStatus.OK,
    StatusCode.PARAMETER_MISSING: HTTPStatus.BAD_REQUEST,
    StatusCode.NOT_VALID_NOW: HTTPStatus.BAD_REQUEST,
    StatusCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    StatusCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    StatusCode.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    StatusCode.PARTIAL_SUCCESS: HTTPStatus.OK,
    StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    # Not 401: a browser would open its own login dialogue (and the published server says 403).
    StatusCode.NOT_AUTHENTICATED: HTTPStatus.FORBIDDEN,
}


class AccessDeniedError(RefusedError):
    """The request does not say whom it speaks for, or not truthfully."""


class CsrfError(RefusedError):
    """The request lacks the token that shows that the session's own page sent it."""


class MissingParameterError(RefusedError):
    """A parameter the operation needs is absent or null."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Required parameter is missing: {name}")


_encode = msgspec.json.Encoder().encode


def success(members: dict[str, Any] | None = None) -> web.Response:
    """Answer with statusCode 0 and these members."""
    return _answer(HTTPStatus.OK, {"statusCode": StatusCode.SUCCESS.value, **(members or {})})


def failure(code: StatusCode, message: str, status: int | None = None) -> web.Response:
    """Answer with a code, the HTTP status that belongs to it unless another is given, and a message."""
    shown = {"statusCode": code.value, "statusMessage": message}
    return _answer(HTTP_STATUS[code] if status is None else status, shown)


def partial(succeeded: list[dict[str, Any]], failed: list[dict[str, Any]]) -> web.Response:
    """Answer that a part of a bulk operation was carried out."""
    shown = {"statusCode": StatusCode.PARTIAL_SUCCESS.value, "succeeded": succeeded, "failed": failed}
    return _answer(HTTPStatus.OK, shown)


def _answer(status: int, shown: dict[str, Any]) -> web.Response:
    # No charset: some clients compare the whole header with "application/json".
    return web.Response(status=status, body=_encode(shown), content_type="application/json")
