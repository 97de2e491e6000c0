"""What killed processes leave in a store that only processes of this machine share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from relay.journal.keys import MEMBERS
from relay.journal.leases import Lease, Leases
from relay.journal.members import Members
from relay.journal.orphans import free_orphans, is_gone, member_name
from relay.journal.store import Store

SAYS_ITS_NAME = """
import time
from relay.journal.orphans import member_name
print(member_name(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give another process and its name as a member."""
    with subprocess.Popen(
        [sys.executable, "-c", SAYS_ITS_NAME], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


Other = tuple[subprocess.Popen[str], str]


def test_a_process_is_gone_once_it_has_ended(other: Other) -> None:
    """Not before, also while nobody has asked for its exit code; nor is this one."""
    process, name = other
    assert not is_gone(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert is_gone(name)
    process.wait()
    assert is_gone(name)
    assert not is_gone(member_name())


def test_another_process_of_the_same_number_is_another(other: Other) -> None:
    """When it began tells them apart."""
    machine, number, began, rest = other[1].split("/")
    assert is_gone(f"{machine}/{number}/{int(began) - 1}/{rest}")
    assert is_gone(f"{machine}/{os.getpid()}/1/{rest}")


@pytest.mark.parametrize("name", ["", "pod-1", "elsewhere+1/1/1/aa", "elsewhere+1/999999999/1/aa"])
def test_of_others_nothing_is_said(name: str) -> None:
    """Names of other machines, and such as older versions gave."""
    assert not is_gone(name)
    machine = member_name().partition("/")[0]
    assert not is_gone(f"{machine}/x/1/aa")


async def test_what_a_killed_process_held_is_free_at_once(store: Store, other: Other) -> None:
    """Its leases and its place among the members; nobody else's."""
    process, name = other
    leases, ours = Leases(store, name), Leases(store, member_name())
    for partition in range(3):
        assert isinstance(await leases.acquire(partition), Lease)
    kept = await ours.acquire(3)
    elsewhere = await Leases(store, "elsewhere+1/1/1/aa").acquire(4)
    assert kept is not None
    assert elsewhere is not None
    for member in (name, "elsewhere+1/1/1/aa"):
        await Members(store, member, ttl=6).beat()

    assert await free_orphans(store) == 0
    process.kill()
    process.wait()
    assert await free_orphans(store) == 3
    assert await store.call("ZRANGE", MEMBERS, 0, -1) == [b"elsewhere+1/1/1/aa"]
    held = [bool(await store.call("EXISTS", store.keys_at(partition).lease)) for partition in range(6)]
    assert held == [False, False, False, True, True, False]
    await ours.renew(kept)
