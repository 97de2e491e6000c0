from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.keys import Keys, partition_of

PARTITION_KEYS = (
    "events",
    "subs",
    "cursor",
    "ready",
    "due",
    "timers",
    "lease",
    "epoch",
    "bayeux_due",
    "with_dead",
)
NAMED_KEYS = (
    "call",
    "leg",
    "live",
    "log",
    "queue",
    "attempts",
    "dead",
    "parked",
    "bayeux",
    "idem",
    "token",
    "receipt",
    "aside",
)


@given(st.text(), st.integers(1, 1024))
def test_an_account_lives_in_one_partition_for_ever(account: str, partitions: int) -> None:
    """The partition is one that exists and depends on nothing but the account and their number."""
    assert 0 <= partition_of(account, partitions) < partitions
    assert partition_of(account, partitions) == partition_of(account, partitions)


def test_the_partition_of_an_account_does_not_change_between_versions() -> None:
    """Stored data is found by this function, so its results are fixed."""
    assert partition_of("b11d749b-8eb7-4236-a068-3d94ba3860d6", 16) == 5
    assert partition_of("5d2f1c6a-7a55-4f0e-9d0b-1f6f8e1a2b3c", 16) == 6


@given(st.integers(0, 1023), st.text())
def test_all_keys_of_a_partition_share_its_slot(partition: int, name: str) -> None:
    """Every key has the partition's hash tag first, so that one script may touch them all."""
    keys = Keys(partition)
    made = [getattr(keys, key) for key in PARTITION_KEYS] + [getattr(keys, key)(name) for key in NAMED_KEYS]
    made += [keys.rate("commands", name), keys.anew(name, "1")]
    assert all(key.startswith(f"relay:{{p{partition:02d}}}:") for key in made)
    assert len(set(made)) == len(made)
