"""What dead processes of this machine still hold in the store, and freeing it before its time is up.

That is safe where every process that shares the store runs here, as with the embedded one: who is gone sends
nothing more. A member's name tells which process it is, also from another one that got its number later.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Final

from relay.journal.keys import MEMBERS
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log

_RELEASE: Final = Script("lease_release")
_log: Final = log.get("ownership")


def member_name() -> str:
    """Make the name of this process: ``<machine>/<process id>/<when it began>/<random>``."""
    return f"{_machine()}/{os.getpid()}/{_began(os.getpid())}/{secrets.token_hex(4)}"


def is_gone(member: str) -> bool:
    """Tell whether a member was a process of this machine that has ended; in doubt, it has not."""
    machine, _, process = member.partition("/")
    number, began, *_ = *process.split("/"), ""
    if machine != _machine() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return _began(int(number)) != began


async def free_orphans(store: Store) -> int:
    """Free the leases and places of processes that are gone; return how many leases that were.

    Raises StoreUnavailableError. Whoever shares the store must run on this machine.
    """
    members = [member.decode() for member in await store.call("ZRANGE", MEMBERS, 0, -1)]
    gone = [member for member in members if is_gone(member)]
    if gone:
        await store.call("ZREM", MEMBERS, *gone)
    freed = 0
    leases = [store.keys_at(partition).lease for partition in range(store.partitions)]
    for lease, token in zip(leases, await store.fetch([("GET", lease) for lease in leases]), strict=True):
        if token is not None and is_gone(token.decode().rpartition(":")[0]):
            freed += await store.run(_RELEASE, [lease], [token])
    if freed:
        _log.info("leases of ended processes freed", leases=freed)
    return freed


def _machine() -> str:
    """Return what process ids are unique in: a machine, or a container of it."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()}+{namespace}"


def _began(process: int) -> str:
    """Return when a process began, in ticks since boot; nothing of one that has ended or tells none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, began = fields[0], fields[19]
    return "" if state in "ZX" else began
