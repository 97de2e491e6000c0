"""What each operation takes. Nulls and unknown parameters are passed over: real clients send both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate, validates_schema

from relay.dialects.gws import identifiers
from relay.dialects.gws.envelope import MissingParameterError
from relay.errors import InvalidFieldError

_MISSING: Final = "is missing"


def _messages(invalid: str) -> dict[str, Any]:
    return {"required": _MISSING, "invalid": invalid}


_TEXT: Final = _messages("must be a string")
_NUMBER: Final = _messages("must be an object with a phoneNumber, or a number as text")
_CALL: Final = _messages("must be the URI of a call")
_OBJECT: Final = _messages("must be an object")
_LIST: Final = _messages("must be a list of strings")


class _Text(fields.String):
    """A string that says something; an empty one counts as missing."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            raise self.make_error("required")
        return text


class _Number(_Text):
    """A number: ``{"phoneNumber": "15002"}`` as documented, or the bare string."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        number = value.get("phoneNumber") if isinstance(value, dict) else value
        if number is None:
            raise self.make_error("required")
        return super()._deserialize(number, attr, data, **kwargs)


class _Call(_Text):
    """A call by its URI or path, with ``/me`` or without, of whatever host: its session's id."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        uri = super()._deserialize(value, attr, data, **kwargs)
        found = identifiers.session_id(uri.rstrip("/").rpartition("/")[2])
        if found is None:
            raise self.make_error("invalid")
        return found


class _Device(_Text):
    """A device by its URI or path, of whatever host: its id."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        uri = super()._deserialize(value, attr, data, **kwargs)
        return uri.rstrip("/").rpartition("/")[2]


class Operation(Schema):
    """Parameters of an operation that needs none."""

    class Meta:
        """Pass over what is not known."""

        unknown = EXCLUDE

    @pre_load
    def without_nulls(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Drop parameters that are null: some clients send every parameter they know."""
        return {name: value for name, value in data.items() if value is not None}


class Destination(Operation):
    """Whom to bring in, and data for the call; a location is of no use here and passed over."""

    destination = _Number(required=True, error_messages=_NUMBER)
    user_data = fields.Dict(data_key="userData", load_default=dict, error_messages=_OBJECT)


class Forwarding(Operation):
    """Where calls go instead."""

    destination = _Number(required=True, error_messages=_NUMBER)


class Reason(Operation):
    """Why an agent is not ready."""

    reason = _Text(error_messages=_TEXT)


class Dial(Destination):
    """A new call."""

    caller_id = _Text(data_key="outboundCallerId", load_default=None, error_messages=_TEXT)


class ConsultCall(Operation):
    """The other of a call and its consult call, where it is named."""

    other = _Call(data_key="consultCallUri", load_default=None, error_messages=_CALL)


class OtherCall(Operation):
    """The other of two calls."""

    other = _Call(data_key="otherCallUri", required=True, error_messages=_CALL)


class Participant(Operation):
    """Somebody in the call."""

    participant = _Number(required=True, error_messages=_NUMBER)


class Disposition(Operation):
    """What came of a call, and under which key that is noted."""

    disposition = _Text(required=True, error_messages=_TEXT)
    key = _Text(data_key="dispositionKey", error_messages=_TEXT)


class DispositionAtDevice(Disposition):
    """The same, asked of the device: which call it is, by either of its names."""

    call = _Call(data_key="callUri", load_default=None, error_messages=_CALL)
    call_uuid = _Call(data_key="callUuid", load_default=None, error_messages=_CALL)

    @validates_schema
    def names_a_call(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Want one of the names."""
        if data.get("call") is None and data.get("call_uuid") is None:
            raise ValidationError([_MISSING], "callUri")


class Monitoring(Operation):
    """Whose calls a supervisor takes part in, which of them, and how far."""

    target = _Device(data_key="targetDeviceUri", load_default=None, error_messages=_messages("must be a URI"))
    number = _Text(data_key="phoneNumber", load_default=None, error_messages=_TEXT)
    scope = fields.String(
        data_key="supervisorMonitoringScope",
        load_default="Call",
        validate=validate.OneOf(("Agent", "Call"), error="must be Agent or Call"),
        error_messages=_TEXT,
    )
    mode = fields.String(
        data_key="supervisorMonitoringMode",
        load_default="AllCalls",
        validate=validate.OneOf(("NextCall", "AllCalls"), error="must be NextCall or AllCalls"),
        error_messages=_TEXT,
    )

    @validates_schema
    def names_a_device(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Want one of the names."""
        if data.get("target") is None and data.get("number") is None:
            raise ValidationError([_MISSING], "targetDeviceUri")


class Tones(Operation):
    """Digits to send."""

    digits = _Text(required=True, error_messages=_TEXT)


class UserData(Operation):
    """Data to put into the call."""

    user_data = fields.Dict(data_key="userData", required=True, error_messages=_OBJECT)


class Key(Operation):
    """The name of one pair."""

    key = _Text(required=True, error_messages=_TEXT)


class Channels(Operation):
    """Media to work with."""

    channels = fields.List(fields.String(error_messages=_LIST), required=True, error_messages=_LIST)


def load(schema: Schema, body: dict[str, Any]) -> dict[str, Any]:
    """Return the operation's parameters.

    Raises:
        MissingParameterError: one that is needed is absent or null.
        InvalidFieldError: one has a value that cannot be used.

    """
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        name, told = next(iter(cast("dict[str, Any]", error.messages).items()))
        if told == [_MISSING]:
            raise MissingParameterError(name) from None
        message = told[0] if isinstance(told, list) else _LIST["invalid"]
        raise InvalidFieldError(name, message) from None
    return loaded


@contextmanager
def named(schema: Schema) -> Iterator[None]:
    """Have InvalidFieldErrors name the parameter as it is called here."""
    try:
        yield
    except InvalidFieldError as error:
        field = schema.fields.get(error.field)
        name = field.data_key if field is not None and field.data_key else error.field
        raise InvalidFieldError(name, str(error)) from error
