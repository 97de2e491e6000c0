"""The shape of the directory file. What spans several of its objects is checked while loading."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from relay.calls.numbers import canonical
from relay.directory.credentials import is_token_hash, parse_password_hash
from relay.directory.model import PICKUP_AFTER

ROLES: Final = ("agent", "admin")

_IDENTIFIER = validate.Regexp(
    r"[A-Za-z0-9_-]{1,64}\Z", error="must be 1 to 64 letters, digits, hyphens or underscores"
)
_EXTENSION = validate.Regexp(r"[0-9]{1,8}\Z", error='must be 1 to 8 digits, such as "210"')
_DECIMAL = validate.Regexp(r"[1-9][0-9]{0,18}\Z", error='must be decimal digits, such as "400100000001"')
_USER_ID = validate.Regexp(r"[0-9a-f]{32}\Z", error="must be 32 lower-case hex digits")
_LOGIN = validate.Regexp(
    r"[^\s:\x00-\x1f\x7f]{1,128}\Z", error="must be 1 to 128 characters without space or colon"
)
_DELAY = validate.Range(min=0, max=3600, error="must be 0 to 3600 seconds, or null")
_NAME = validate.Length(max=128, error="must be at most 128 characters")


def _text(**options: Any) -> fields.String:
    """Make a string field with a hint for YAML's habit of reading digits as a number."""
    return fields.String(
        error_messages={"invalid": 'must be text; write digits in quotes, as "210"'}, **options
    )


class DirectorySchema(Schema):
    """Base of the file's schemas: says in one voice what is wrong."""

    error_messages = {  # noqa: RUF012 - marshmallow declares it for instances
        "unknown": "is not a known field",
        "type": "must be a mapping",
    }


def _number(text: str) -> None:
    if canonical(text) != text:
        raise ValidationError('must be digits, or E.164 such as "+12025550123"')


def _token_hash(text: str) -> None:
    if not is_token_hash(text):
        raise ValidationError("must be sha256$<64 hex digits>, as `relay hash-token` prints it")


def _password_hash(text: str) -> None:
    try:
        parse_password_hash(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class DeviceSchema(DirectorySchema):
    """One phone."""

    id = _text(required=True, validate=_IDENTIFIER)
    number = _text(required=True, validate=_number)
    answer_after = fields.Float(load_default=None, allow_none=True, validate=_DELAY)
    pickup_after = fields.Float(load_default=PICKUP_AFTER, allow_none=True, validate=_DELAY)


class UserSchema(DirectorySchema):
    """One user with phones and credentials."""

    login = _text(required=True, validate=_LOGIN)
    id = _text(load_default=None, validate=_USER_ID)
    first_name = _text(load_default="", validate=_NAME)
    last_name = _text(load_default="", validate=_NAME)
    extension = _text(load_default=None, allow_none=True, validate=_EXTENSION)
    ringcentral_id = _text(load_default=None, validate=_DECIMAL)
    roles = fields.List(
        _text(validate=validate.OneOf(ROLES, error="must be agent or admin")), load_default=lambda: ["agent"]
    )
    devices = fields.List(fields.Nested(DeviceSchema), load_default=list)
    tokens = fields.List(_text(validate=_token_hash), load_default=list)
    password = _text(load_default=None, validate=_password_hash)


class ClientSchema(DirectorySchema):
    """One OAuth client; its secret is random by rule, so it is hashed as a token is."""

    id = _text(required=True, validate=_IDENTIFIER)
    secret = _text(required=True, validate=_token_hash)


class AccountSchema(DirectorySchema):
    """One tenant."""

    id = _text(required=True, validate=_IDENTIFIER)
    name = _text(load_default="", validate=_NAME)
    ringcentral_id = _text(load_default=None, validate=_DECIMAL)
    clients = fields.List(fields.Nested(ClientSchema), load_default=list)
    users = fields.List(fields.Nested(UserSchema), load_default=list)


class FileSchema(DirectorySchema):
    """The whole file."""

    accounts = fields.List(
        fields.Nested(AccountSchema),
        required=True,
        validate=validate.Length(min=1, error="must have at least one account"),
    )


_FILE = FileSchema()


def faults(content: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content with defaults filled in, and its faults, each led by its place."""
    try:
        return dict(_FILE.load(content)), []
    except ValidationError as error:
        return {}, list(_flattened("", error.messages))


def _flattened(place: str, messages: Any) -> list[str]:
    if isinstance(messages, list):
        return [f"{place or 'the file'}: {message}" for message in messages]
    found = []
    for key, inner in messages.items():
        if isinstance(key, int):
            found += _flattened(f"{place}[{key}]", inner)
        elif key == "_schema":
            found += _flattened(place, inner)
        else:
            found += _flattened(f"{place}.{key}" if place else str(key), inner)
    return found
