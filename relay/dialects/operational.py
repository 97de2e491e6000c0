"""Operational events as every dialect shows them: they are relay's own, whatever the format of the others."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.calls.events import EventId
from relay.dialects.times import timestamp
from relay.journal.operational import OperationalEvent, OperationalType
from relay.journal.record import Event
from relay.subscriptions.rendering import Notice, Rendered, Renderer

SCHEMA: Final = 1
"""Raised when a member changes its meaning; members are only ever added within one number."""

_encode: Final = msgspec.json.Encoder().encode


def render(event_id: EventId, event: OperationalEvent) -> Rendered:
    """Render an operational event. Pure."""
    shown: dict[str, Any] = {
        "type": event.type,
        "timestamp": timestamp(event.time),
        "event_id": str(event_id),
        "schema": SCHEMA,
        "tenant_id": event.account,
        "subscription": event.subscription,
    }
    if event.type is not OperationalType.TEST:
        shown["reason"] = event.reason
    if event.type is OperationalType.EXHAUSTED:
        shown["delivery"] = {
            "id": event.delivery,
            "event_id": event.event_id,
            "type": event.event_type,
            "attempts": event.attempts,
        }
    never = event.subscription if event.type is OperationalType.DISABLED else None
    notice = Notice(event.user_id, never)
    return Rendered(event.type.value, _encode(shown), None, event.user_id, notice=notice)


def with_tests(renderer: Renderer) -> Renderer:
    """Have a dialect that tells of calls alone render test events too: its subscriptions can be tried."""

    def rendering(event_id: EventId, event: Event) -> Rendered | None:
        if isinstance(event, OperationalEvent):
            return render(event_id, event) if event.type is OperationalType.TEST else None
        return renderer(event_id, event)

    return rendering
