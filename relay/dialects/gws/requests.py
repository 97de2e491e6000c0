"""What every POST to GWS has: an operation's name, and its parameters beside it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from relay.dialects.gws.envelope import MissingParameterError
from relay.errors import InvalidFieldError
from relay.http.body import json_object


async def operation(request: web.Request) -> tuple[str, dict[str, Any]]:
    """Read the body; return the name of the operation and the whole body.

    Raises:
        RefusedError: it is no JSON object (see `json_object`), or names no operation.

    """
    body = await json_object(request)
    name = body.get("operationName")
    if name is None or name == "":
        raise MissingParameterError("operationName")
    if not isinstance(name, str):
        raise InvalidFieldError("operationName", "must be a string")
    return name, body
