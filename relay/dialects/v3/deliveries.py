"""``/v3/deliveries/`` and ``/v3/dead-letters/``: what became of webhooks, and how to repair it."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from marshmallow import validate

from relay.dialects.times import rfc3339
from relay.dialects.v3 import recoveries
from relay.dialects.v3.calls import answer
from relay.dialects.v3.moments import moment
from relay.dialects.v3.problems import InvalidParameterError
from relay.dialects.v3.queries import page_limit
from relay.dialects.v3.schemas import Strict, array, parse, text
from relay.directory.model import Principal
from relay.errors import InvalidFieldError
from relay.http.body import json_object
from relay.http.detached import Detached
from relay.subscriptions.rendering import Rendered
from relay.webhooks.attempts import CAPTURE, Status
from relay.webhooks.deliveries import Deliveries, Found
from relay.webhooks.repair import Repair

MOST_IDS: Final = 1000
"""Dead letters that one request may name."""

_PARAMETERS: Final = {"types": "type"}


class RedriveSchema(Strict):
    """Which dead letters are to be sent again."""

    subscription = text(required=True)
    ids = array(
        text(),
        load_default=None,
        validate=validate.Length(max=MOST_IDS, error="must be at most {max} ids"),
    )


_REDRIVE: Final = RedriveSchema()


class DeliveriesFace:
    """The endpoints. An agent sees its own subscriptions' deliveries, an admin the whole tenant's."""

    def __init__(self, deliveries: Deliveries, repair: Repair, detached: Detached) -> None:
        self._deliveries = deliveries
        self._repair = repair
        self._detached = detached

    async def list(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer a page of deliveries: by subscription, each one's newest event first."""
        query = request.query
        try:
            page = await self._deliveries.list(
                principal.account,
                user_id=_user(principal),
                subscription=query.get("subscription"),
                status=_status(query.get("status")),
                event_type=query.get("type"),
                since=_since(query.get("since")),
                cursor=query.get("cursor"),
                limit=page_limit(request),
            )
        except InvalidFieldError as error:
            parameter = _PARAMETERS.get(error.field, error.field)
            raise InvalidParameterError(str(error), parameter=parameter) from error
        return answer({"deliveries": [shown(one) for one in page.deliveries], "next": page.next})

    async def get(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one delivery with what is sent, and its attempts."""
        found = await self._deliveries.get(
            principal.account, request.match_info["id"], user_id=_user(principal)
        )
        event = await self._deliveries.event(principal.account, found)
        told = shown(found)
        if event is not None:
            told["type"] = event.type
        return answer({**told, "request": _request(event), "attempts": attempts(found)})

    async def resend(self, request: web.Request, principal: Principal) -> web.Response:
        """Have one sent again, now and once; its attempt is marked manual."""
        found = await self._detached.finish(
            self._repair.resend(principal.account, request.match_info["id"], user_id=_user(principal))
        )
        return answer({"delivery_id": str(found.id), "event_id": found.event_id}, 202)

    async def test(self, request: web.Request, principal: Principal) -> web.Response:
        """Have a subscription's endpoint sent a test event; what came of it is told of the delivery."""
        found = await self._detached.finish(
            self._repair.test(principal.account, request.match_info["id"], user_id=_user(principal))
        )
        return answer({"delivery_id": str(found.id), "event_id": found.event_id}, 202)

    async def recover(self, request: web.Request, principal: Principal) -> web.Response:
        """Have past events delivered again; answer 202 with where that begins, and the id to ask by."""
        subscription, asked = request.match_info["id"], recoveries.read(await json_object(request))
        recovery_id, recovery = await self._detached.finish(
            self._repair.recover(
                principal.account,
                subscription,
                asked.since,
                asked.until,
                undelivered=asked.undelivered,
                user_id=_user(principal),
            )
        )
        return answer(recoveries.shown(recovery_id, subscription, recovery), 202)

    async def recovery(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer how far a recovery is."""
        subscription, recovery_id = request.match_info["id"], request.match_info["recovery_id"]
        found = await self._repair.recovery(
            principal.account, subscription, recovery_id, user_id=_user(principal)
        )
        return answer(recoveries.shown(recovery_id, subscription, found))

    async def redrive(self, request: web.Request, principal: Principal) -> web.Response:
        """Queue a subscription's dead letters again, all of them or those listed."""
        read = parse(_REDRIVE, await json_object(request))
        redriven = await self._detached.finish(
            self._repair.redrive(
                principal.account, read["subscription"], read["ids"], user_id=_user(principal)
            )
        )
        return answer({"redriven": redriven}, 202)

    async def purge(self, request: web.Request, principal: Principal) -> web.Response:
        """Drop a subscription's dead letters."""
        subscription = request.query.get("subscription")
        if not subscription:
            raise InvalidParameterError("is required", parameter="subscription")
        purged = await self._detached.finish(
            self._repair.purge(principal.account, subscription, user_id=_user(principal))
        )
        return answer({"purged": purged})


def shown(found: Found) -> dict[str, Any]:
    """Return a delivery as lists show it."""
    delivery = found.delivery
    return {
        "id": str(found.id),
        "event_id": found.event_id,
        "subscription": found.id.subscription,
        "type": delivery.type or None,
        "status": delivery.status,
        "reason": delivery.reason,
        "next_attempt_at": rfc3339(delivery.next_attempt_at),
    }


def attempts(found: Found) -> list[dict[str, Any]]:
    """Return what was sent, and what came of each."""
    return [
        {
            "id": found.attempt_id(number),
            "at": rfc3339(one.at),
            "trigger": one.trigger,
            "duration_ms": one.duration_ms,
            "status_code": one.status_code,
            "error": one.error,
            "response": one.response,
            "truncated": one.truncated,
        }
        for number, one in enumerate(found.delivery.attempts)
    ]


def _request(event: Rendered | None) -> dict[str, Any] | None:
    """Return the beginning of what every attempt sends; None where it is not kept any more."""
    if event is None:
        return None
    excerpt = event.body[:CAPTURE].decode(errors="ignore")  # without the part of a character at its end
    return {"body": excerpt, "truncated": len(event.body) > CAPTURE}


def _user(principal: Principal) -> str | None:
    return None if principal.is_admin else principal.user.id


def _status(given: str | None) -> Status | None:
    try:
        return None if given is None else Status(given)
    except ValueError:
        raise InvalidParameterError(f"must be one of {', '.join(Status)}", parameter="status") from None


def _since(given: str | None) -> int | None:
    return None if given is None else moment(given, "since")
