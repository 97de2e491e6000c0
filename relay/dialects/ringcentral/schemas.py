"""What requests may hold. Nulls count as absent and unknown members are passed over: clients send both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate

from relay.dialects.ringcentral.failures import invalid
from relay.dialects.ringcentral.replies import PATTERNS, UNITS

LONGEST_LIFE: Final = 630_720_000
"""Seconds a subscription may live: twenty years, the longer of the published maxima."""

LONGEST_TIME: Final = 999
"""Of whatever unit, that a reply may speak of."""

_OBJECT: Final = "must be an object"
_HOLD_PROTOCOLS: Final = ("Auto", "RC", "BroadWorks", "DisconnectHolder", "BroadWorksOrDisconnectHolder")
_LIST: Final = "must be a list of strings"
_HEADER_VALUE: Final = r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?\Z"


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


class _Flag(fields.Boolean):
    """JSON's two booleans only."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class _Whole(fields.Integer):
    """JSON's integers only."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return super()._validated(value)


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


def text(**options: Any) -> fields.String:
    """Make a field for a string."""
    return fields.String(error_messages=_said("must be a string"), **options)


def header(**options: Any) -> fields.String:
    """Make a field for what is sent as a header's value."""
    return fields.String(
        validate=validate.Regexp(_HEADER_VALUE, error="must be 1 to 255 printable ASCII characters"),
        error_messages=_said("must be a string"),
        **options,
    )


def seconds(**options: Any) -> fields.Integer:
    """Make a field for a subscription's life."""
    return _Whole(
        strict=True,
        validate=validate.Range(1, LONGEST_LIFE, error=f"must be from 1 to {LONGEST_LIFE} seconds"),
        error_messages=_said("must be a whole number of seconds") | {"too_large": "is too large"},
        **options,
    )


def whole(**options: Any) -> fields.Integer:
    """Make a field for a whole number."""
    return _Whole(strict=True, error_messages=_said("must be a whole number"), **options)


def one_of(words: Collection[str]) -> validate.OneOf:
    """Make the check that a string is one of these."""
    return validate.OneOf(words, error=f"must be one of {', '.join(words)}")


def flag(**options: Any) -> fields.Boolean:
    """Make a field for true or false, and nothing that could be meant by it."""
    return _Flag(error_messages=_said("must be true or false"), **options)


class _From(Body):
    deviceId = identifier(load_default=None)  # noqa: N815 - the published name
    extensionId = identifier(load_default=None)  # noqa: N815


class _To(Body):
    phoneNumber = identifier(load_default=None)  # noqa: N815
    extensionNumber = identifier(load_default=None)  # noqa: N815


CallOut = Body.from_dict(
    {"from": nested(_From, required=True), "to": nested(_To, required=True)}, name="CallOut"
)


class Hold(Body):
    """How a call is put on hold."""

    proto = text(load_default=None, validate=one_of(_HOLD_PROTOCOLS))


class AtDevice(Body):
    """At which device something is to happen."""

    deviceId = identifier(required=True)  # noqa: N815


class ForwardTarget(Body):
    """Whither a call is to go: exactly one of these."""

    phoneNumber = identifier(load_default=None)  # noqa: N815
    voicemail = identifier(load_default=None)
    extensionNumber = identifier(load_default=None)  # noqa: N815
    extensionId = identifier(load_default=None)  # noqa: N815


class TransferTarget(ForwardTarget):
    """The same of a call that was answered, which may be parked too."""

    parkOrbit = identifier(load_default=None)  # noqa: N815


class Flip(Body):
    """The phone to go on at."""

    callFlipId = identifier(required=True)  # noqa: N815


class _Pattern(Body):
    pattern = text(required=True, validate=one_of(PATTERNS))
    time = whole(
        load_default=None, validate=validate.Range(1, LONGEST_TIME, error=f"must be 1 to {LONGEST_TIME}")
    )
    timeUnit = text(load_default=None, validate=one_of(UNITS))  # noqa: N815


class Reply(Body):
    """What the caller is to hear: exactly one of these."""

    replyWithText = text(load_default=None)  # noqa: N815
    replyWithPattern = nested(_Pattern, load_default=None)  # noqa: N815


class BringIn(Body):
    """The call that is to come into a conference; older clients call its session ``sessionId``."""

    sessionId = text(load_default=None)  # noqa: N815
    telephonySessionId = text(load_default=None)  # noqa: N815
    partyId = text(required=True)  # noqa: N815


class Supervise(Body):
    """Whom a supervisor listens to, and where: names of today and those before 2020."""

    mode = text(required=True, validate=one_of(("Listen",)))
    supervisorDeviceId = identifier(load_default=None)  # noqa: N815
    deviceId = identifier(load_default=None)  # noqa: N815
    agentExtensionId = identifier(load_default=None)  # noqa: N815
    agentExtensionNumber = identifier(load_default=None)  # noqa: N815
    extensionNumber = identifier(load_default=None)  # noqa: N815
    autoAnswer = flag(load_default=True)  # noqa: N815 - the simulated phones always do
    mediaSDP = text(load_default=None, validate=one_of(("sendOnly", "sendRecv")))  # noqa: N815


class Bridge(Body):
    """The user's party in another session."""

    telephonySessionId = text(required=True)  # noqa: N815
    partyId = text(required=True)  # noqa: N815


class _PartyChange(Body):
    muted = flag(load_default=None)
    standAlone = flag(load_default=None)  # noqa: N815


class PatchParty(_PartyChange):
    """What of a party is to change, at the top or inside ``party``: clients send both."""

    party = nested(_PartyChange, load_default=None)


class RemoveParty(Body):
    """What becomes of a conference whose host leaves."""

    keepConferenceAlive = flag(load_default=False)  # noqa: N815


class PatchRecording(Body):
    """Whether a recording is to go on."""

    active = flag(required=True)


class _DeliveryMode(Body):
    transportType = text(required=True)  # noqa: N815
    address = text(load_default=None)
    verificationToken = header(load_default=None)  # noqa: N815
    validationToken = header(load_default=None)  # noqa: N815 - what the guide calls it since 2023


class CreateSubscription(Body):
    """A new subscription."""

    eventFilters = fields.List(text(), required=True, error_messages=_said(_LIST))  # noqa: N815
    deliveryMode = nested(_DeliveryMode, required=True)  # noqa: N815
    expiresIn = seconds(load_default=None)  # noqa: N815


class UpdateSubscription(Body):
    """What can be changed of one; everything else is passed over."""

    eventFilters = fields.List(text(), load_default=None, error_messages=_said(_LIST))  # noqa: N815
    expiresIn = seconds(load_default=None)  # noqa: N815


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
