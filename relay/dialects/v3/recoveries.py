"""Recoveries as v3 takes and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from marshmallow import validate

from relay.dialects.times import rfc3339
from relay.dialects.v3.moments import moment
from relay.dialects.v3.problems import Fault, InvalidBodyError, InvalidParameterError
from relay.dialects.v3.schemas import Strict, parse, text
from relay.journal.ids import parse as parse_id
from relay.webhooks.recoveries import Recovery

ALL: Final = "all"
UNDELIVERED: Final = "undelivered"


class RecoverySchema(Strict):
    """Which events are to be delivered again."""

    since = text(required=True)
    until = text(load_default=None)
    events = text(
        load_default=ALL,
        validate=validate.OneOf((ALL, UNDELIVERED), error="must be one of {choices}"),
    )


class Wanted(NamedTuple):
    """What a request asks for; times are milliseconds since the epoch."""

    since: int
    until: int | None
    undelivered: bool


_SCHEMA: Final = RecoverySchema()


def read(body: Mapping[str, Any]) -> Wanted:
    """Read what is to be recovered.

    Raises:
        InvalidBodyError: it has another shape, or its times are none.

    """
    asked = parse(_SCHEMA, body)
    until = asked["until"]
    return Wanted(
        _moment(asked["since"], "since"),
        None if until is None else _moment(until, "until"),
        asked["events"] == UNDELIVERED,
    )


def shown(recovery_id: str, subscription_id: str, recovery: Recovery) -> dict[str, Any]:
    """Return a recovery as it is shown."""
    reached = recovery.until if recovery.over else max(recovery.begins, parse_id(recovery.at).ms)
    return {
        "recovery_id": recovery_id,
        "subscription": subscription_id,
        "status": recovery.status,
        "since": rfc3339(recovery.since),
        "until": rfc3339(recovery.until),
        "events": UNDELIVERED if recovery.undelivered else ALL,
        "from": rfc3339(recovery.begins),
        "complete": recovery.complete,
        "reached": rfc3339(reached),
        "scanned": recovery.scanned,
        "queued": recovery.queued,
    }


def _moment(given: str, name: str) -> int:
    try:
        return moment(given, name)
    except InvalidParameterError as error:
        raise InvalidBodyError([Fault(f"/{name}", "invalid", error.item["detail"])]) from error
