"""The shapes v3 takes, each built once; a wrong one is told by JSON pointers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields

from relay.dialects.v3.problems import Fault, InvalidBodyError

_REQUIRED: Final = "is required"
_UNKNOWN: Final = "is not a known field"
_CODES: Final = {_REQUIRED: "required", _UNKNOWN: "unknown"}


class Strict(Schema):
    """A JSON object with known fields only."""

    error_messages = {"unknown": _UNKNOWN, "type": "must be an object"}  # noqa: RUF012 - marshmallow's own way


def text(**options: Any) -> fields.String:
    """Make a field for a string."""
    return fields.String(error_messages=_said("must be a string"), **options)


def obj(**options: Any) -> fields.Dict:
    """Make a field for an object of any shape."""
    return fields.Dict(error_messages=_said("must be an object"), **options)


def array(inner: fields.Field[Any], **options: Any) -> fields.List[Any]:
    """Make a field for an array."""
    return fields.List(inner, error_messages=_said("must be an array"), **options)


def number(**options: Any) -> fields.Float:
    """Make a field for a number."""
    return _Number(error_messages=_said("must be a number") | {"too_large": "is too large"}, **options)


def whole(**options: Any) -> fields.Integer:
    """Make a field for an integer."""
    said = _said("must be an integer") | {"too_large": "is too large"}
    return _Integer(strict=True, error_messages=said, **options)


def nested(schema: type[Strict], **options: Any) -> fields.Nested:
    """Make a field for an object of that schema."""
    return fields.Nested(
        schema, error_messages=_said("must be an object") | {"type": "must be an object"}, **options
    )


def parse(schema: Schema, body: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """Return the body as the schema reads it.

    Raises:
        InvalidBodyError: it has another shape; every fault has its pointer, which begins with ``at``.

    """
    try:
        return dict(schema.load(body))
    except ValidationError as error:
        raise InvalidBodyError(list(_faults(at, error.messages))) from error


def pointer_token(key: str) -> str:
    """Return a key as a part of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


class _Number(fields.Float):
    """JSON's numbers only: marshmallow would take text and booleans for numbers too."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        return super()._validated(value)


class _Integer(fields.Integer):
    """JSON's integers only."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return super()._validated(value)


def _said(invalid: str) -> dict[str, str | list[Any] | dict[Any, Any]]:
    return {"required": _REQUIRED, "null": invalid, "invalid": invalid, "invalid_utf8": invalid}


def _faults(pointer: str, messages: Any) -> Iterator[Fault]:
    if isinstance(messages, list):
        for message in messages:
            yield Fault(pointer, _CODES.get(message, "invalid"), message)
        return
    for key, inner in messages.items():
        if key == "_schema" and isinstance(inner, list) and inner != [_UNKNOWN]:
            yield from _faults(pointer, inner)
        else:
            yield from _faults(f"{pointer}/{pointer_token(str(key))}", inner)
