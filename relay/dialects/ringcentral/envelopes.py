"""Envelopes: a rendered notification made out to one subscription. Pure.

What is rendered is shared by all subscribers; only what a subscription alone can tell is put in here.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.dialects.ringcentral import labels
from relay.dialects.ringcentral.filters import detail
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.notifications import FORMAT, format_of, renderers
from relay.journal.record import Entry
from relay.subscriptions.model import EventFilter
from relay.subscriptions.rendering import Rendered, rendered

_BODY: Final = b',"body":{'
_NOBODYS: Final = b',"subscriptionId":null' + _BODY
"""Where an envelope's own members end: nothing before it can hold these bytes, as JSON escapes quotes."""

_encode = msgspec.json.Encoder().encode


class Envelopes:
    """Makes envelopes for subscriptions."""

    def __init__(self, identities: Identities) -> None:
        self._renderers = renderers(identities)

    def enclose(self, entry: Entry, event: Rendered, address: Addressee) -> bytes:
        """Return the notification of an event for one subscription."""
        wish = address.wish(event)
        body = event.body
        if wish is not None and wish.format != FORMAT:
            detailed = rendered(entry, wish.format, self._renderers)
            body = detailed.body if detailed is not None else body
        if wish is not None and wish.query:
            resource = _encode(event.type)
            body = body.replace(resource, resource[:-1] + wish.query, 1)
        return body.replace(_NOBODYS, address.members + _BODY, 1)


class _Wish:
    """A filter, and the form in which it is told."""

    __slots__ = ("format", "labels", "query")

    def __init__(self, wanted: EventFilter) -> None:
        self.labels = frozenset(wanted.labels)
        self.format = format_of(detail(wanted.source))
        query = wanted.source.partition("?")[2]
        #: What follows the resource path, up to the end of its string: presence alone shows it.
        self.query = _encode(f"?{query}")[1:] if query and labels.PRESENCE in self.labels else b""


class Addressee:
    """A subscription as envelopes show it."""

    __slots__ = ("_wishes", "members")

    def __init__(self, subscription_id: str, owner_id: str, filters: tuple[EventFilter, ...]) -> None:
        """Take the ids that clients see."""
        shown: dict[str, Any] = {"subscriptionId": subscription_id, "ownerId": owner_id}
        self.members = b"," + _encode(shown)[1:-1]
        # Of several filters that choose an event the one that asks for most tells its form.
        most_first = sorted(filters, key=lambda one: detail(one.source), reverse=True)
        self._wishes = [_Wish(one) for one in most_first]

    def __repr__(self) -> str:
        return f"Addressee({self.members.decode()})"

    def wish(self, event: Rendered) -> _Wish | None:
        """Return the filter by which an event is told."""
        return next((wish for wish in self._wishes if wish.labels <= event.labels), None)
