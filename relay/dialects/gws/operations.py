"""Every operation a call takes by POST: its parameters, and what it asks of the call's leg."""

from __future__ import annotations

from typing import Final, NamedTuple

from marshmallow import Schema

from relay.calls import commands
from relay.dialects.gws import schemas


class CallOperation(NamedTuple):
    """One operation."""

    schema: Schema
    action: type[commands.Action]
    """What it asks for; its members are the schema's."""


_NOTHING: Final = schemas.Operation()
_USER_DATA: Final = schemas.UserData()

CALL_OPERATIONS: Final[dict[str, CallOperation]] = {
    "Answer": CallOperation(_NOTHING, commands.Answer),
    "Hangup": CallOperation(_NOTHING, commands.Hangup),
    "SendDtmf": CallOperation(schemas.Tones(), commands.SendDtmf),
    "AttachUserData": CallOperation(_USER_DATA, commands.AttachUserData),
    "UpdateUserData": CallOperation(_USER_DATA, commands.UpdateUserData),
    "DeleteUserDataPair": CallOperation(schemas.Key(), commands.DeleteUserDataPair),
    "DeleteUserData": CallOperation(_NOTHING, commands.DeleteUserData),
}
