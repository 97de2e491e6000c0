"""What requests may hold. Nulls count as absent and unknown members are passed over: clients send both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from relay.dialects.ringcentral.failures import invalid

_OBJECT: Final = "must be an object"


class Body(Schema):
    """A JSON object."""

    class Meta:
        """Pass over what is not known."""

        unknown = EXCLUDE

    error_messages = {"type": _OBJECT}  # noqa: RUF012 - marshmallow's own way

    @pre_load
    def without_nulls(self, data: Any, **_kwargs: Any) -> Any:
        """Drop members that are null."""
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None}


class _Id(fields.String):
    """An id or number: text, or the digits of it as a JSON number, which some clients send."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return text


def _said(wrong: str) -> dict[str, Any]:
    return {"required": "is needed", "null": wrong, "invalid": wrong, "invalid_utf8": wrong}


def identifier(**options: Any) -> fields.String:
    """Make a field for an id or a number."""
    return _Id(error_messages=_said("must be a string"), **options)


def nested(schema: type[Body], **options: Any) -> fields.Nested:
    """Make a field for an object."""
    return fields.Nested(schema, error_messages=_said(_OBJECT) | {"type": _OBJECT}, **options)


class _From(Body):
    deviceId = identifier(load_default=None)  # noqa: N815 - the published name
    extensionId = identifier(load_default=None)  # noqa: N815


class _To(Body):
    phoneNumber = identifier(load_default=None)  # noqa: N815
    extensionNumber = identifier(load_default=None)  # noqa: N815


CallOut = Body.from_dict(
    {"from": nested(_From, required=True), "to": nested(_To, required=True)}, name="CallOut"
)


def load(schema: Schema, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body as the schema reads it.

    Raises:
        ApiError: 400, naming the first parameter whose value cannot be used.

    """
    try:
        return dict(schema.load(body))
    except ValidationError as error:
        name, message = _first("", error.messages)
        raise invalid(name, message) from None


def _first(place: str, messages: Any) -> tuple[str, str]:
    """Return the place of the first fault, its names joined by dots, and what is wrong there."""
    if isinstance(messages, list):
        return place or "body", str(messages[0])
    key, inner = next(iter(messages.items()))
    if key == "_schema":
        return _first(place, inner)
    return _first(f"{place}.{key}" if place else str(key), inner)
