"""What a process loads."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import relay.app
from relay.calls.model import Address
from relay.dialects.gws.participants import participant
assert participant(Address("15000"))["phoneNumber"] == "15000"
print("phonenumbers.geodata" in sys.modules)
print(participant(Address("+12025550123"))["location"])
print("phonenumbers.geodata" in sys.modules)
"""


def test_places_behind_numbers_are_loaded_when_one_is_shown() -> None:
    """A process that shows no outside number does not hold the places of all there are."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["False", "Washington D.C.", "True"]


def test_clients_wait_for_the_places_but_nobody_else_does() -> None:
    """They are loaded by another thread than the loop's, once."""
    program = """
import asyncio, sys
from relay.dialects.gws.participants import load_places

async def main():
    ticks = 0
    loading = asyncio.gather(load_places(), load_places())
    while not loading.done():
        ticks += 1
        await asyncio.sleep(0.001)
    loaded = {"phonenumbers.geodata", "phonenumbers.data.region_US", "phonenumbers.data.region_GB"}
    print(loaded <= sys.modules.keys(), ticks > 3)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
