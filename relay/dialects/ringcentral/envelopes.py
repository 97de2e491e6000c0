"""Envelopes: a rendered notification made out to one subscription. Pure.

What is rendered is shared by all subscribers; only what a subscription alone can tell is put in here.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.dialects.ringcentral.filters import detail
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import renderer
from relay.journal.record import Entry
from relay.subscriptions.model import EventFilter
from relay.subscriptions.rendering import Rendered, Renderers, rendered

FORMAT: Final = "ringcentral"
"""The format every subscriber shares."""
_WITH_SIP: Final = "ringcentral with SIP data"

_BODY: Final = b',"body":{'
"""Where an envelope's own members end: nothing before it can hold these bytes, as JSON escapes quotes."""

_encode = msgspec.json.Encoder().encode


class Envelopes:
    """Makes envelopes for subscriptions."""

    def __init__(self, identities: Identities) -> None:
        self._renderers: Renderers = {_WITH_SIP: renderer(identities, sip=True)}

    def enclose(self, entry: Entry, event: Rendered, address: Addressee) -> bytes:
        """Return the notification of an event for one subscription."""
        body = event.body
        if address.wants_sip(event):
            with_sip = rendered(entry, _WITH_SIP, self._renderers)
            body = with_sip.body if with_sip is not None else body
        return body.replace(_BODY, address.members + _BODY, 1)


class Addressee:
    """A subscription as envelopes show it."""

    __slots__ = ("_sip", "members")

    def __init__(self, subscription_id: str, owner_id: str, filters: tuple[EventFilter, ...]) -> None:
        """Take the ids that clients see."""
        shown: dict[str, Any] = {"subscriptionId": subscription_id, "ownerId": owner_id}
        self.members = b"," + _encode(shown)[1:-1]
        self._sip = [frozenset(one.labels) for one in filters if detail(one.source).sip]

    def __repr__(self) -> str:
        return f"Addressee({self.members.decode()})"

    def wants_sip(self, event: Rendered) -> bool:
        """Tell whether a filter that chose the event asks for SIP data."""
        return any(labels <= event.labels for labels in self._sip)
