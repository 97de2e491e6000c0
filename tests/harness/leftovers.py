"""What must be gone from the store once everything is delivered."""

from __future__ import annotations

from typing import Final

from tests.engines import Server

_PASSING: Final = ("queue:", "lanes:", "parked:", "ready", "due", "errands", "health")


def leftovers(server: Server) -> list[str]:
    """Return the keys that are there only while something waits to be delivered."""
    with server.client as client:
        found = [key.decode() for key in client.scan_iter("relay:{*", count=1000)]
    return sorted(key for key in found if key.partition("}:")[2].startswith(_PASSING))


def nothing_left(server: Server) -> bool:
    """Check that there are none; AssertionError shows which there are."""
    found = leftovers(server)
    assert not found, found
    return True
