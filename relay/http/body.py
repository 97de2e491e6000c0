"""Read request bodies: bounded, of the right media type, JSON objects or forms."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from relay.errors import InvalidFieldError, RefusedError
from relay.http.errors import ANSWER_HEADERS
from relay.http.repeats import BODY

COMMAND_LIMIT: Final = 64 * 1024
"""Bytes of a command's body: user data of 16 KiB, however it is escaped, and everything around it."""

JSON: Final = ("application/json",)
FORM: Final = ("application/x-www-form-urlencoded",)
MOST_FIELDS: Final = 100
"""Fields a form may have."""

_LONE_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_decode: Final = msgspec.json.Decoder().decode


class BodyTooLargeError(RefusedError):
    """The body has more bytes than this request may have; carries ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body may have at most {limit} bytes")
        self.limit = limit


class UnsupportedMediaTypeError(RefusedError):
    """The body is not of a type that is read here; carries ``accepted``."""

    def __init__(self, given: str, accepted: tuple[str, ...]) -> None:
        plain = given[:100].encode("ascii", "backslashreplace").decode()  # a header may hold any bytes
        shown = f"not {plain}" if plain else "which the request lacks"
        super().__init__(f"Content-Type must be {' or '.join(accepted)} in UTF-8, {shown}")
        self.accepted = accepted


class InvalidJsonError(RefusedError):
    """The body is not JSON; carries ``position``, the byte where that shows, if it is known."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message if position is None else f"{message} at byte {position}")
        self.position = position


class DoubleEncodedJsonError(RefusedError):
    """The body is a JSON string that holds JSON."""

    def __init__(self) -> None:
        super().__init__(
            "the body is a JSON string that holds JSON: it was encoded twice. Send the object itself; "
            "in Python's requests that is json=data, not json=json.dumps(data)"
        )


async def json_object(
    request: web.Request,
    max_bytes: int = COMMAND_LIMIT,
    *,
    accepted: tuple[str, ...] = JSON,
    empty: bool = False,
) -> dict[str, Any]:
    """Read the body, which must be a JSON object. Of a key given twice the last value stands.

    With ``empty``, a request without a body is an empty object.

    Raises:
        UnsupportedMediaTypeError: it is of another type, or in another character set than UTF-8.
        BodyTooLargeError: it has more than ``max_bytes`` bytes.
        InvalidJsonError: it is not JSON (RFC 8259), not UTF-8, or nested beyond reason.
        DoubleEncodedJsonError: it is a JSON string that holds a JSON object.
        InvalidFieldError: it is JSON, but no object; the field is empty: the body as a whole.

    """
    repeated: bytes | None = request.get(BODY)
    if empty and not (request.can_read_body if repeated is None else repeated):
        return {}
    _check_media_type(request, accepted)
    value = _parse(await _read(request, max_bytes))
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and _holds_object(value):
        raise DoubleEncodedJsonError
    raise InvalidFieldError("", "the body must be a JSON object")


async def form_fields(request: web.Request, max_bytes: int = COMMAND_LIMIT) -> dict[str, str]:
    """Read the body, which must be an HTML form's. Of a field given twice the last value stands.

    Raises:
        UnsupportedMediaTypeError: it is of another type, or in another character set than UTF-8.
        BodyTooLargeError: it has more than ``max_bytes`` bytes.
        InvalidFieldError: it is no form in UTF-8; the field is empty: the body as a whole.

    """
    _check_media_type(request, FORM)
    try:
        text = (await _read(request, max_bytes)).decode()
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise InvalidFieldError("", "the body must be a form in UTF-8") from error


def _check_media_type(request: web.Request, accepted: tuple[str, ...]) -> None:
    given = request.headers.get("Content-Type", "")
    charset = request.charset
    if (
        request.content_type not in accepted
        or not given
        or (charset or "utf-8").lower() not in ("utf-8", "utf8")
    ):
        raise UnsupportedMediaTypeError(given, accepted)


async def _read(request: web.Request, max_bytes: int) -> bytes:
    repeated: bytes | None = request.get(BODY)
    if repeated is not None:
        if len(repeated) > max_bytes:
            raise BodyTooLargeError(max_bytes)
        return repeated
    # Judged before reading where the length is told, and while reading where it is not, or it was compressed.
    if (request.content_length or 0) > max_bytes:
        raise BodyTooLargeError(max_bytes)
    chunks, size = [], 0
    try:
        while chunk := await request.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise BodyTooLargeError(max_bytes)
    except web.RequestPayloadError as error:
        # Nothing can follow on this connection; and aiohttp must not read on, or it logs this with a trace.
        request.content.feed_eof()
        request.protocol.close()
        request.setdefault(ANSWER_HEADERS, {})["Connection"] = "close"
        raise InvalidJsonError(f"the body cannot be read: {error}") from error
    request[BODY] = b"".join(chunks)
    return request[BODY]


def _parse(body: bytes) -> Any:
    try:
        return _decode(body)
    except RecursionError as error:
        raise InvalidJsonError("the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _fault(body, error) from error


def _fault(body: bytes, error: Exception) -> InvalidJsonError:
    if not body.strip():
        return InvalidJsonError("the body is empty")
    try:
        body.decode()
    except UnicodeDecodeError as invalid:
        return InvalidJsonError("the body is not UTF-8", invalid.start)
    if isinstance(error, msgspec.ValidationError):
        return InvalidJsonError("the body has a number out of range")
    found = _BYTE.search(str(error))
    if found:
        # msgspec points behind the first of trailing characters, but at any other that is wrong.
        position = int(found[1]) - ("trailing" in str(error))
        return InvalidJsonError("the body is not JSON", position)
    if _LONE_SURROGATE.search(body):
        return InvalidJsonError("the body has half a surrogate pair")
    return InvalidJsonError("the body is not JSON: it ends too early", len(body))


def _holds_object(text: str) -> bool:
    try:
        return isinstance(_decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
