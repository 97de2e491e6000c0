"""``/v3/simulator/``: calls from outside, and what is done at the simulated phones."""

from __future__ import annotations

from aiohttp import web

from relay.control import Control
from relay.dialects.v3.calls import answer
from relay.dialects.v3.schemas import Strict, obj, text
from relay.dialects.v3.shapes import Shape
from relay.directory.model import Principal
from relay.http.body import json_object
from relay.http.detached import Detached
from relay.switch.simulator import PhoneAction


class _Digits(Strict):
    digits = text(required=True)


_CALL = Shape(
    Strict.from_dict(
        {"from": text(required=True), "to": text(required=True), "user_data": obj(load_default=None)}
    )()
)
_DIGITS = Shape(_Digits())
_NOTHING = Shape(Strict())


class SimulatorFace:
    """The simulator's endpoints."""

    def __init__(self, control: Control, detached: Detached) -> None:
        self._control = control
        self._detached = detached

    async def call(self, request: web.Request, principal: Principal) -> web.Response:
        """Let an outside number call one of the tenant's phones; answer 201 with the call's legs."""
        read = _CALL.read(await json_object(request))
        session = await self._detached.finish(
            self._control.simulate_inbound(principal.account, read["from"], read["to"], read["user_data"])
        )
        parties = [
            {"id": party.id, "number": party.address.number, "extension": party.address.extension}
            for party in session.parties
        ]
        return answer({"call_id": session.id, "parties": parties}, 201)

    async def phone(self, request: web.Request, principal: Principal) -> web.Response:
        """Do something at the phone of a leg; answer 202, what comes of it is told by events."""
        action = PhoneAction(request.match_info["action"])
        body = await json_object(request, empty=True)
        read = (_DIGITS if action is PhoneAction.DTMF else _NOTHING).read(body)
        leg = request.match_info["id"]
        await self._detached.finish(
            self._control.simulate_phone(principal, leg, action, read.get("digits", ""))
        )
        return answer({"call_leg_id": leg}, 202)
