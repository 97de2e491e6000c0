"""Password verification: off the loop, shared, remembered and bounded."""

from __future__ import annotations

import asyncio
import time

import pytest

from relay.directory import verification
from relay.directory.credentials import PasswordHash, hash_password, parse_password_hash
from relay.directory.loading import demo
from relay.directory.verification import OverloadedError, PasswordVerifier, Remembered


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time it was set to."""
        return self.now


def stored(password: str) -> PasswordHash:
    """Return a cheap hash of the password."""
    return parse_password_hash(hash_password(password, n=2**12, r=8, p=1))


async def cpu_of(verifier: PasswordVerifier, password: str, against: PasswordHash) -> tuple[bool, float]:
    """Return the verdict, and the processor time of all threads it took."""
    before = time.process_time()
    verdict = await verifier.matches(password, against)
    return verdict, time.process_time() - before


async def test_verdicts_are_remembered() -> None:
    """The second request with the same password costs next to nothing, right or wrong."""
    verifier = PasswordVerifier()
    against = stored("demo")
    for password, right in (("demo", True), ("wrong", False)):
        verdict, first = await cpu_of(verifier, password, against)
        assert verdict is right
        verdict, again = await cpu_of(verifier, password, against)
        assert verdict is right
        assert again < first / 5


async def test_a_remembered_verdict_expires() -> None:
    """A right password is verified anew after a while, a wrong one sooner."""
    clock = Clock()
    right, wrong = (
        Remembered(10, verification.ACCEPTED_FOR, clock),
        Remembered(10, verification.REFUSED_FOR, clock),
    )
    right.add(b"k")
    wrong.add(b"k")
    clock.now = verification.REFUSED_FOR
    assert b"k" not in wrong
    assert b"k" in right
    clock.now = verification.ACCEPTED_FOR
    assert b"k" not in right


def test_memory_of_verdicts_is_bounded() -> None:
    """The least recently used verdict goes first."""
    remembered = Remembered(2, 60, Clock())
    remembered.add(b"a")
    remembered.add(b"b")
    assert b"a" in remembered
    remembered.add(b"c")
    assert [key in remembered for key in (b"a", b"b", b"c")] == [True, False, True]
    assert repr(remembered) == "<Remembered 2/2>"


async def test_a_change_of_password_is_not_hidden_by_memory() -> None:
    """A verdict belongs to the stored hash, not to the login."""
    verifier = PasswordVerifier()
    assert await verifier.matches("old", stored("old"))
    assert not await verifier.matches("old", stored("new"))


async def test_equal_questions_share_one_verification() -> None:
    """A hundred requests at once with one password verify it once, and one that leaves takes none with it."""
    verifier = PasswordVerifier()
    against = stored("demo")
    asking = [asyncio.ensure_future(verifier.matches("demo", against)) for _ in range(100)]
    await asyncio.sleep(0)  # let each ask
    assert repr(verifier).startswith("<PasswordVerifier running=1 ")
    asking[0].cancel()
    assert all(await asyncio.gather(*asking[1:]))


async def test_a_flood_of_passwords_is_turned_away() -> None:
    """Beyond the bound, verification is refused as unavailable instead of queued."""
    verifier = PasswordVerifier()
    against = stored("demo")
    asking = [verifier.matches(f"guess {n}", against) for n in range(verification.WAITING + 5)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(answer, OverloadedError) for answer in answers) == 5
    assert [answer for answer in answers if not isinstance(answer, OverloadedError)] == [
        False
    ] * verification.WAITING


async def test_the_loop_runs_on_while_a_password_is_verified() -> None:
    """Verification takes a thread, not the loop."""
    verifier = PasswordVerifier()
    verifying = asyncio.ensure_future(verifier.matches("demo", stored("demo")))
    turns = 0
    while not verifying.done():
        await asyncio.sleep(0)
        turns += 1
    assert verifying.result()
    assert turns > 3


async def test_an_unknown_login_costs_what_a_wrong_password_does() -> None:
    """Time does not tell which logins exist."""
    directory = demo()
    before = time.process_time()
    assert await directory.by_password("nobody", "guess") is None
    unknown = time.process_time() - before
    before = time.process_time()
    assert await directory.by_password("jane", "guess") is None
    known = time.process_time() - before
    assert unknown > known / 5


@pytest.mark.parametrize("password", ["", "Demo", "demo ", "dem\udcff", "x" * 10_000])
async def test_a_wrong_password_is_refused(password: str) -> None:
    """Only the exact password is right, and no text makes verification fail."""
    assert await demo().by_password("jane", password) is None
