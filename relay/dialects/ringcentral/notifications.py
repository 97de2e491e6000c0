"""Every kind of notification, each as its subscribers may ask for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relay.calls.events import CallEvent, EventId
from relay.calls.presence import PresenceEvent
from relay.dialects.ringcentral import labels
from relay.dialects.ringcentral.filters import Detail
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.presence import presence_notification
from relay.dialects.ringcentral.render import notification, session_notification
from relay.journal.record import Event, ReminderEvent
from relay.subscriptions.rendering import Rendered, Renderer

FORMAT: Final = "ringcentral"
"""The format every subscriber shares: it decides who is told."""

PLAIN: Final = Detail(calls=False, sip=False)


def format_of(detail: Detail) -> str:
    """Return the name of the format with such detail."""
    return FORMAT if detail == PLAIN else f"{FORMAT} {'with SIP data' if detail.sip else 'with calls'}"


def renderers(identities: Identities) -> Mapping[str, Renderer]:
    """Return the renderer of each detail that can be asked for, by its format."""
    details = (PLAIN, Detail(calls=True, sip=False), Detail(calls=True, sip=True))
    return {format_of(detail): renderer(identities, detail) for detail in details}


def renderer(identities: Identities, detail: Detail = PLAIN) -> Renderer:
    """Return the renderer of notifications.

    What it renders is the envelope without what only a subscription can tell, ``subscriptionId`` and
    ``ownerId``; the event's type is the resource path that ``event`` shows.
    """

    def render(event_id: EventId, event: Event) -> Rendered | None:
        """Render one journal event, or None for what RingCentral does not tell. Pure."""
        match event:
            case CallEvent():
                return session_notification(identities, event_id, event, sip=detail.sip)
            case PresenceEvent():
                return presence_notification(identities, event_id, event, detail)
            case ReminderEvent():
                left = max(0, -((event.time - event.expires_at) // 1000))  # begun seconds count
                shown = notification(event_id, event.source, event.time, {"expiresIn": left})
                named = frozenset({labels.of_subscription(event.subscription)})
                return Rendered(event.source, shown, None, None, named)
        return None

    return render
