"""``GET /v3/calls/``: the legs that are live, and any leg for an hour after its end."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from relay.control import Control
from relay.dialects.v3.access import check_reach
from relay.dialects.v3.problems import InvalidParameterError
from relay.dialects.v3.render import STATES, leg
from relay.directory.model import Principal


class Calls:
    """The two endpoints."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def list(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the live legs the user may see, those of the oldest call first."""
        state = request.query.get("state")
        if state is not None and state not in STATES.values():
            known = ", ".join(dict.fromkeys(STATES.values()))
            raise InvalidParameterError(f"must be one of {known}", parameter="state")
        extensions = request.query.getall("extension", [])
        check_reach(principal, extensions)
        legs = []
        for session in await self._control.live(principal):
            for party in session.parties:
                if not party.live or not party.ours:
                    continue
                if not principal.is_admin and party.address.user_id != principal.user.id:
                    continue
                if extensions and party.address.extension not in extensions:
                    continue
                if state is None or STATES[party.state] == state:
                    legs.append(leg(session, party))
        return answer({"calls": legs, "next": None})

    async def get(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one leg, live or ended within the hour."""
        session, party = await self._control.leg(principal, request.match_info["id"])
        return answer(leg(session, party))


def answer(shown: Any, status: int = 200) -> web.Response:
    """Answer in JSON."""
    return web.Response(status=status, body=msgspec.json.encode(shown), content_type="application/json")
