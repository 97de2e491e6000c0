"""What the fault suite shows of itself, and where README has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.accounting import Arrival, Tally, row
from tests.harness.results import placed, results

README = Path(__file__).parents[2] / "README.md"
EVENTS = [{"event_id": f"evt_00_{at}-0"} for at in (1000, 2000, 3000)]


def arrival(event: int, *, taken: bool = True) -> Arrival:
    """Return a request for one of the events, which belong to one call."""
    return Arrival(EVENTS[event]["event_id"], "call", 3500.0, taken=taken)


def test_every_request_is_accounted_for() -> None:
    """A failed request is no repeat; what came after a newer event of its call is out of order."""
    arrivals = [arrival(0, taken=False), arrival(0), arrival(2), arrival(1, taken=False), arrival(2)]
    assert Tally.of(EVENTS, arrivals) == Tally(events=3, lost=1, disordered=1, repeats=1, unknown=0)


def test_results_take_the_place_of_older_ones() -> None:
    """The table and where it was made stand between README's markers, and nothing else changes."""
    lines = results([row("a fault", Tally.of(EVENTS, [arrival(0)]), [arrival(2)])], seconds=1200)
    assert lines[2] == "| a fault | 3 | 2 | 0 | 0 | 500 ms |"
    assert lines[-1].endswith("it took 20 minutes.")
    readme = README.read_text()
    changed = placed(readme, lines)
    before, _, after = readme.partition("<!-- faults -->\n")
    assert changed.startswith(before + "<!-- faults -->\n" + lines[0] + "\n")
    assert changed.endswith(after.partition("<!-- /faults -->")[2])
    assert placed(changed, lines) == changed


def test_without_a_place_nothing_is_replaced() -> None:
    """A text without the markers is refused."""
    with pytest.raises(ValueError, match="0 places"):
        placed("a text", ["a line"])
