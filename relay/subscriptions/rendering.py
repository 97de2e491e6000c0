"""An event as one dialect shows it, encoded once and shared by every subscriber.

Renderers live in the dialects and reach streaming and webhooks as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from relay.calls.events import EventId
from relay.journal.record import Entry
from relay.telemetry import log

_log: Final = log.get("rendering")


class Notice(NamedTuple):
    """Whose webhooks may be told of an operational event: of those that name its type."""

    user_id: str
    """Whose subscription it is about: told are this user's, and those for the whole account."""
    never: str | None = None
    """The subscription that is not told in any case."""


class Rendered(NamedTuple):
    """One event in one format: the same bytes for SSE ``data:``, webhook body and history."""

    type: str
    """What subscribers filter by: ``call.leg.answered``, ``/v2/me/calls`` …; `leg_type` too."""
    body: bytes
    """UTF-8 JSON without line breaks."""
    extension: str | None
    """Whose leg it is about; None for a leg that is not at one of our devices."""
    user_id: str | None
    """The user whose leg it is about."""
    labels: frozenset[str] = frozenset()
    """What finer filters go by, such as ``direction=inbound``; empty where the format has none."""
    notice: Notice | None = None
    """Set for operational events."""
    event: str = ""
    """What SSE's ``event:`` carries, where it is not the type: pages must know it beforehand."""
    leg_type: str = ""
    """What v3 calls such an event of a leg, or one most like it, where that is not the type."""


Renderer = Callable[[EventId, Any], Rendered | None]
"""Render one event of any told kind, or None where the dialect has nothing to show for it. Pure."""

Renderers = Mapping[str, Renderer]
"""Renderers by format name: ``v3``, ``gws``, ``ringcentral``."""


def rendered(entry: Entry, event_format: str, renderers: Renderers) -> Rendered | None:
    """Return a record's event in a format, rendered at most once; None where there is nothing to show.

    An event its renderer fails on is logged and shown to nobody, rather than holding up all that follow.
    """
    try:
        found: Rendered | None = entry.rendered[event_format]
    except KeyError:
        try:
            found = renderers[event_format](entry.id, entry.told)
        except Exception:  # noqa: BLE001 - whatever the renderer's fault is
            _log.exception("event not rendered", event_id=str(entry.id), format=event_format)
            found = None
        entry.rendered[event_format] = found
    return found
