"""Types of leg events, by which subscribers of every format may filter."""

from __future__ import annotations

import pytest

from relay.calls.events import EventKind
from relay.dialects.gws.render import renderer as gws
from relay.dialects.leg_types import LEG_TYPES, TYPES
from relay.dialects.ringcentral.notifications import renderer as ringcentral
from relay.dialects.v3.render import render as v3
from relay.subscriptions.filters import compile_filter
from relay.subscriptions.rendering import Renderer
from tests.dialects.ringcentral.calls import IDENTITIES
from tests.dialects.test_waiting_calls import ID, TALKING, told

FORMATS = {"gws": gws("http://relay.test"), "ringcentral": ringcentral(IDENTITIES)}


@pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
def test_every_format_tells_the_type_that_v3_gives(render: Renderer) -> None:
    """An event of one of our legs is found by v3's name for it, and by the format's own."""
    both = 0
    for event in told(*TALKING, after=0):
        named, shown = v3(ID, event), render(ID, event)
        if shown is None:
            continue
        for wanted in ("call.leg.*", shown.leg_type, shown.type, shown.type[:8] + "*", "*"):
            assert compile_filter([wanted]).matches(shown), wanted
        for other in ("call.leg.dtmf", "subscription.*", "/v2/me/devices"):
            assert not compile_filter([other]).matches(shown), other
        if named is not None:
            assert shown.leg_type == named.type
            both += 1
    assert both >= 3


def test_every_kind_has_a_type() -> None:
    """One of v3's, though v3 does not show it."""
    assert LEG_TYPES.keys() == set(EventKind)
    assert set(LEG_TYPES.values()) == set(TYPES.values())
