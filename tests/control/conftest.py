"""An office for each test."""

from __future__ import annotations

import pytest

from relay.journal.journal import Journal
from tests.control.office import Office


@pytest.fixture
def office(journal: Journal) -> Office:
    """Give one process's control on the empty store."""
    return Office(journal)
