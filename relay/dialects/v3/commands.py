"""``POST /v3/call_control/``: the published commands, and relay's own in the same shape."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from relay.calls import commands
from relay.control import Accepted, Control
from relay.dialects.v3.access import TenantMismatchError
from relay.dialects.v3.idempotency import Idempotency
from relay.dialects.v3.problems import Fault, InvalidBodyError, render_error
from relay.dialects.v3.schemas import Strict, nested, obj, text
from relay.dialects.v3.shapes import Shape
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedError, RefusedError
from relay.http.body import json_object
from relay.http.detached import Detached
from relay.http.errors import ANSWER_HEADERS
from relay.http.rate_limits import Policy, RateLimitedError, RateLimits

POLICY: Final = Policy("call-control", quota=60, window=60)
"""Commands a user may send; the scope's name is the published one."""

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""W3C Trace Context, section 3.2; anything else is ignored, as the recommendation demands."""


class UserSchema(Strict):
    """On whose behalf: the published ``user``."""

    tenant_id = text(required=True)
    user_extension = text(required=True)


class DialPayload(Strict):
    """Payload of ``click-to-dial``."""

    destination = text(required=True)
    user_data = obj(load_default=None)


class LegPayload(Strict):
    """Payload of the commands on a leg."""

    call_leg_id = text(required=True)


class DestinationPayload(LegPayload):
    """Payload of the commands that bring somebody in."""

    destination = text(required=True)


class OtherPayload(LegPayload):
    """Payload of the commands on two calls."""

    other = text(data_key="other_call_leg_id", required=True)


class DigitsPayload(LegPayload):
    """Payload of ``send-dtmf``."""

    digits = text(required=True)


class ParticipantPayload(LegPayload):
    """Payload of ``remove-participant``: a leg, an extension or a number."""

    participant = text(required=True)


class UserDataPayload(LegPayload):
    """Payload of ``set-user-data``; a null removes its key."""

    user_data = obj(required=True)


class Asked(NamedTuple):
    """A command as it was asked for: by whom, with what, under which ids."""

    principal: Principal
    payload: dict[str, Any]
    command_id: str | None
    traceparent: str | None


Carried = Callable[[Control, Asked], Awaitable[Accepted]]


async def _click_to_dial(control: Control, asked: Asked) -> Accepted:
    devices = asked.principal.user.devices
    if not devices:
        raise InvalidBodyError([Fault("/user/user_extension", "invalid", "has no phone")])
    return await control.dial(
        asked.principal,
        device_id=devices[0].id,
        destination=asked.payload["destination"],
        two_step=True,
        user_data=asked.payload["user_data"],
        command_id=asked.command_id,
        traceparent=asked.traceparent,
    )


def _on_leg(action: type[commands.Action]) -> Carried:
    """Return what carries an action out whose members are those of the payload beside its leg."""

    async def carry(control: Control, asked: Asked) -> Accepted:
        parameters = dict(asked.payload)
        return await control.act(
            asked.principal,
            leg=parameters.pop("call_leg_id"),
            action=action(**parameters),
            command_id=asked.command_id,
            traceparent=asked.traceparent,
        )

    return carry


class _Command:
    """One command: what its body looks like, and what it does."""

    def __init__(self, payload: type[Strict], carry: Carried) -> None:
        members = {
            "command": text(required=True),
            "user": nested(UserSchema, required=True),
            "payload": nested(payload, required=True),
        }
        self.shape = Shape(Strict.from_dict(members)())
        self.carry = carry
        self._names = {name: field.data_key or name for name, field in payload().fields.items()}

    def pointer(self, field: str) -> str:
        """Return the pointer to a member of the payload, without its first slash."""
        return f"payload/{self._names.get(field, field)}"


COMMANDS: Final = {
    "click-to-dial": _Command(DialPayload, _click_to_dial),
    "hangup": _Command(LegPayload, _on_leg(commands.Hangup)),
    "answer": _Command(LegPayload, _on_leg(commands.Answer)),
    "reject": _Command(LegPayload, _on_leg(commands.Reject)),
    "hold": _Command(LegPayload, _on_leg(commands.Hold)),
    "retrieve": _Command(LegPayload, _on_leg(commands.Retrieve)),
    "mute": _Command(LegPayload, _on_leg(commands.Mute)),
    "unmute": _Command(LegPayload, _on_leg(commands.Unmute)),
    "send-dtmf": _Command(DigitsPayload, _on_leg(commands.SendDtmf)),
    "transfer": _Command(DestinationPayload, _on_leg(commands.Transfer)),
    "consult": _Command(DestinationPayload, _on_leg(commands.Consult)),
    "complete-transfer": _Command(OtherPayload, _on_leg(commands.CompleteTransfer)),
    "complete-conference": _Command(OtherPayload, _on_leg(commands.CompleteConference)),
    "swap": _Command(OtherPayload, _on_leg(commands.Swap)),
    "merge": _Command(OtherPayload, _on_leg(commands.Merge)),
    "conference": _Command(DestinationPayload, _on_leg(commands.Conference)),
    "remove-participant": _Command(ParticipantPayload, _on_leg(commands.RemoveParticipant)),
    "start-recording": _Command(LegPayload, _on_leg(commands.StartRecording)),
    "stop-recording": _Command(LegPayload, _on_leg(commands.StopRecording)),
    "pause-recording": _Command(LegPayload, _on_leg(commands.PauseRecording)),
    "resume-recording": _Command(LegPayload, _on_leg(commands.ResumeRecording)),
    "set-user-data": _Command(UserDataPayload, _on_leg(commands.UpdateUserData)),
}


class CallControl:
    """The endpoint. Its checks in order: limit, media type, JSON, shape, permission, the call's state."""

    def __init__(
        self, control: Control, limits: RateLimits, idempotency: Idempotency, detached: Detached
    ) -> None:
        self._control = control
        self._limits = limits
        self._idempotency = idempotency
        self._detached = detached

    async def handle(self, request: web.Request, principal: Principal) -> web.Response:
        """Carry out a command and answer 202 with the ids of what it concerns; raises what refuses it."""
        standing = await self._limits.count(POLICY, principal)
        if standing is not None:
            request.setdefault(ANSWER_HEADERS, {}).update(standing.headers)
            if standing.exceeded:
                raise RateLimitedError(standing)
        body = await json_object(request)
        command = _command(body)
        read = command.shape.read(body)
        _check_user(principal, read["user"])
        traceparent = request.headers.get("traceparent", "")

        async def carry(command_id: str | None) -> web.Response:
            traced = traceparent if _TRACEPARENT.fullmatch(traceparent) else None
            asked = Asked(principal, read["payload"], command_id, traced)
            try:
                return _answer(await command.carry(self._control, asked))
            except InvalidFieldError as error:
                return render_error(request, InvalidFieldError(command.pointer(error.field), str(error)))
            except RefusedError as error:
                return render_error(request, error)

        return await self._detached.finish(self._idempotency.once(request, principal, body, carry))


def _command(body: dict[str, Any]) -> _Command:
    """Find the command, whose payload decides the rest of the shape."""
    name = body.get("command")
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        known = ", ".join(COMMANDS)
        fault = Fault("/command", "invalid" if "command" in body else "required", f"must be one of {known}")
        raise InvalidBodyError([fault], code="invalid_command")
    return command


def _check_user(principal: Principal, user: dict[str, str]) -> None:
    if user["tenant_id"] != principal.account:
        raise TenantMismatchError("tenant_id is not your token's tenant")
    if not principal.owns_extension(user["user_extension"]):
        raise NotAllowedError("user_extension is not your token's user's extension")


def _answer(accepted: Accepted) -> web.Response:
    shown = {
        "command_id": accepted.command_id,
        "call_id": accepted.session.id,
        "call_leg_id": accepted.party.id,
    }
    return web.Response(status=202, body=msgspec.json.encode(shown), content_type="application/json")
