"""Labels: what event filters ask of an event and renderers say of it, in one spelling."""

from __future__ import annotations

from typing import Final

from relay.calls.events import CallEvent
from relay.calls.model import Address, Role
from relay.dialects.ringcentral.statuses import missed, status_code

TELEPHONY: Final = "telephony"
"""A notification about a telephony session."""

PRESENCE: Final = "presence"
"""A notification about an extension's presence."""

MISSED: Final = "missed"
RECORDINGS: Final = "recordings"
"""The session has recordings."""


def of_extension(extension_id: str) -> str:
    """Return the label of events about an extension's legs."""
    return f"extension={extension_id}"


def of_direction(direction: str) -> str:
    """Return the label of a party's direction."""
    return f"direction={direction.lower()}"


def of_status(code: str) -> str:
    """Return the label of a status code; clients spell some of them in several ways."""
    return f"status={code.lower()}"


def of_number(number: str) -> str:
    """Return the label of calls from or to a number, which counts by its digits alone."""
    return f"number={''.join(character for character in number if character in '0123456789')}"


def of_subscription(subscription_id: str) -> str:
    """Return the label of what concerns one subscription only."""
    return f"subscription={subscription_id}"


def of_event(event: CallEvent, extension_id: str | None) -> frozenset[str]:
    """Return the labels of a notification about a leg."""
    party = event.party
    direction = "Outbound" if party.role is Role.CALLER else "Inbound"
    found = {TELEPHONY, of_direction(direction), of_status(status_code(party, event.kind))}
    found |= {*_numbers(party.caller), *_numbers(party.callee)}
    if extension_id is not None:
        found.add(of_extension(extension_id))
    if missed(party):
        found.add(MISSED)
    if any(one.recordings for one in event.session.parties):
        found.add(RECORDINGS)
    return frozenset(found)


def _numbers(address: Address) -> set[str]:
    return {of_number(number) for number in (address.number, address.extension) if number is not None}
