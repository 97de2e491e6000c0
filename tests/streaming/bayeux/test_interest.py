"""What a session's subscriptions pick of its account's events."""

from __future__ import annotations

from typing import Any

import msgspec

from relay.calls.events import CallEvent, EventId
from relay.calls.happenings import CallPlaced
from relay.calls.model import CallType
from relay.journal.record import Entry, RecordKind
from relay.streaming.bayeux.interest import Events, Interest, first_of_interest, patterns_after
from relay.subscriptions.rendering import Rendered
from tests.calls.calling import ACCOUNT, JANE, JOHN
from tests.harness.happening import apply

CALLS = "/v2/me/calls"


def rendering(channel: str) -> dict[str, Any]:
    """Return renderers that show every event on one channel, as the name of its session."""

    def render(_id: EventId, event: CallEvent) -> Rendered:
        return Rendered(channel, event.session.id.encode(), "210", event.party.address.user_id)

    return {"gws": render}


def entry(stream_id: str, caller: Any = JANE) -> Entry:
    """Return the entry of a call that its caller begins; the call is named by the id."""
    placed = CallPlaced(
        session_id=stream_id,
        account=ACCOUNT,
        type=CallType.INTERNAL,
        caller_leg="leg",
        caller=caller,
        destination=JOHN,
    )
    _, [event, *_] = apply(None, placed, 1)
    return Entry(EventId(7, stream_id), RecordKind.CALL, ACCOUNT, msgspec.json.encode(event))


def interest(subscriptions: dict[str, str], *, at: str = "0-0", channel: str = CALLS) -> Interest:
    """Return jane's interest at a position."""
    return Interest("jane", "gws", patterns_after(at, subscriptions), renderers=rendering(channel))


def test_picks_own_events_on_matching_channels() -> None:
    """Others' events and other channels are not picked, and one event is picked once."""
    entries = [entry("1-0"), entry("2-0", caller=JOHN), entry("3-0")]
    both = Events.of([b"1-0", b"3-0"], "3-0")
    assert interest({CALLS: "0-0", "/**": "0-0"}).pick(entries) == both
    assert interest({"/v2/me/*": "0-0"}).pick(entries) == both
    assert interest({"/v2/me/devices": "0-0"}).pick(entries) is None
    assert interest({}).pick(entries) is None
    assert interest({"/v2/me/*": "0-0"}, channel="/v2/me/a/b").pick([entry("1-0")]) is None


def test_subscriptions_match_what_comes_after_them() -> None:
    """An entry at or before a subscription's id is not matched by it, but may be by an older one."""
    entries = [entry("1-0"), entry("2-0"), entry("3-0")]
    picked = interest({CALLS: "2-0"}).pick(entries)
    assert picked is not None
    assert picked.messages == (b"3-0",)
    picked = interest({CALLS: "2-0", "/**": "1-0"}).pick(entries)
    assert picked is not None
    assert picked.messages == (b"2-0", b"3-0")


def test_sessions_past_their_subscriptions_share_one_interest() -> None:
    """Once a reader is past the ids its subscriptions begin at, only the patterns matter."""
    one = interest({CALLS: "1-0", "/**": "4-0"}, at="5-0")
    other = interest({"/**": "2-0", CALLS: "5-0"}, at="5-0")
    assert one == other
    assert hash(one) == hash(other)
    assert one != interest({CALLS: "1-0", "/**": "6-0"}, at="5-0")


def test_reading_begins_where_something_can_match() -> None:
    """What lies before every subscription need not be read."""
    assert first_of_interest("5-0", {}) == "5-0"
    assert first_of_interest("5-0", {CALLS: "3-0", "/**": "9-0"}) == "5-0"
    assert first_of_interest("5-0", {CALLS: "7-2", "/**": "9-0"}) == "7-2"
