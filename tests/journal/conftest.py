"""The journal's tests run on every engine relay supports."""

from __future__ import annotations

import os

import pytest

from tests.engines import ENGINES

_chosen = os.environ.get("RELAY_TEST_ENGINE")
_wanted = (_chosen,) if _chosen else ENGINES


@pytest.fixture(scope="session", params=_wanted)
def engine(request: pytest.FixtureRequest) -> str:
    """Name the engine this run of the test is on."""
    return str(request.param)
