"""What becomes of commits while the store is killed, frozen or away; FAULTS=full takes longer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from relay.errors import StoreUnavailableError
from relay.journal.commit import Change, Committed
from relay.journal.journal import Journal
from relay.journal.outage import REFUSED, STALE, Outage
from relay.journal.store import TIMEOUT, Store
from tests.conftest import OpenStore
from tests.engines import Server
from tests.journal.calls import ACCOUNT, at, place, placed
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
SHORT_TIMEOUT = 1.0
"""Seconds; a store on a busy disk may need some tenths."""

pytestmark = pytest.mark.timeout(300)


async def commit_until_known(journal: Journal, name: str, version: int) -> Committed:
    """Commit one more event of a call, repeating it as it is while its outcome is not known."""
    session, events = placed(name)

    async def attempt() -> Committed | None:
        change = [Change(at(session, version))]
        return await journal.commit(ACCOUNT, change, events, nonce=f"{name}-{version}")

    return await eventually(attempt, within=120, what=f"commit {version} of {name}")


async def history(journal: Journal) -> list[str]:
    """Return the ids of all events of the account."""
    found: list[str] = []
    after, more = None, True
    while more:
        page = await journal.history(ACCOUNT, after, limit=500)
        found += [entry.id.stream_id for entry in page.entries]
        after, more = page.scanned_to, page.more
    return found


async def committing_during(
    journal: Journal, faults: Callable[[], object], *, writers: int = 5, least: int = 40
) -> None:
    """Commit from several tasks while faults happen, then check that each commit is there exactly once."""
    stop = asyncio.Event()

    async def writer(name: str) -> list[str]:
        ids: list[str] = []
        while not stop.is_set() or len(ids) < least:
            ids += (await commit_until_known(journal, name, len(ids))).ids
            await asyncio.sleep(0.002)
        return ids

    tasks = [asyncio.create_task(writer(f"call-{number}")) for number in range(writers)]
    await asyncio.to_thread(faults)
    stop.set()
    accepted = await asyncio.gather(*tasks)
    assert sorted(await history(journal)) == sorted(stream_id for ids in accepted for stream_id in ids)
    for number, ids in enumerate(accepted):
        session = await journal.session(ACCOUNT, f"call-{number}")
        assert session is not None
        assert session.version == len(ids)


async def test_a_killed_and_restarted_store_loses_and_doubles_nothing(
    faulty_server: Server, open_store: OpenStore
) -> None:
    """SIGKILL of the store, several times while writing: every accepted commit is there once, unaided."""
    journal = Journal(await open_store(faulty_server.url))

    def kills() -> None:
        for _ in range(10 if FULL else 3):
            time.sleep(0.2)
            faulty_server.kill()
            faulty_server.start()

    await committing_during(journal, kills)


async def test_a_frozen_store_loses_and_doubles_nothing(faulty_server: Server, open_store: OpenStore) -> None:
    """A pause beyond the time limit makes outcomes unknown; repeated by nonce, each commit is there once."""
    timeout = TIMEOUT if FULL else SHORT_TIMEOUT
    journal = Journal(await open_store(faulty_server.url, timeout=timeout))

    def freezes() -> None:
        for _ in range(2):
            time.sleep(0.1)
            faulty_server.pause()
            time.sleep(8 if FULL else 3 * timeout)
            faulty_server.resume()

    await committing_during(journal, freezes)


async def test_a_commit_of_unknown_outcome_is_repeated_by_its_nonce(
    faulty_server: Server, open_store: OpenStore
) -> None:
    """A frozen store may carry out what it was sent; asked again, it answers with what it made then."""
    journal = Journal(await open_store(faulty_server.url, timeout=SHORT_TIMEOUT))
    await place(journal, "warm-up")
    session, events = placed("s1")
    faulty_server.pause()
    with pytest.raises(StoreUnavailableError, match="in time"):
        await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1")
    faulty_server.resume()
    committed = await commit_until_known_as(journal, "n1")
    assert await history(journal) == [(await history(journal))[0], *committed.ids]
    assert await journal.session(ACCOUNT, "s1") == at(session, 1)


async def commit_until_known_as(journal: Journal, nonce: str) -> Committed:
    """Repeat the commit of call s1 until it is answered."""
    session, events = placed("s1")

    async def attempt() -> Committed | None:
        return await journal.commit(ACCOUNT, [Change(session)], events, nonce=nonce)

    return await eventually(attempt)


async def test_nobody_waits_long_for_a_frozen_store(faulty_server: Server, open_store: OpenStore) -> None:
    """However many commands wait, all fail within two time limits: one for the answer, one to reconnect."""
    store = await open_store(faulty_server.url, timeout=SHORT_TIMEOUT)
    await store.call("PING")
    faulty_server.pause()
    started = time.monotonic()
    asked = [store.submit("ECHO", str(number)) for number in range(5000)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailableError}
    assert time.monotonic() - started < 2 * SHORT_TIMEOUT + 3  # each batch on its own would take 20 s
    faulty_server.resume()
    await eventually(lambda: store.call("PING"))


async def test_a_store_that_is_away_is_told_of_twice_whatever_is_asked(
    faulty_server: Server, open_store: OpenStore
) -> None:
    """Each command fails at once; the log has a line for the outage and one for its end, with its length."""
    store = await open_store(faulty_server.url)
    await store.call("PING")
    with capture_logs() as logs:
        faulty_server.stop()
        stopped = time.monotonic()
        refused = 0
        while time.monotonic() - stopped < (15 if FULL else 0.5):
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError) as caught:
                await store.call("PING")
            assert caught.value.retry_after > 0
            assert time.monotonic() - started < TIMEOUT  # for which nobody waits
            with pytest.raises(StoreUnavailableError):
                await store.read_stream(0, "0-0", count=1, block_ms=10)
            refused += 1
            await asyncio.sleep(0.01)
        assert refused > 5
        assert not store.available
        faulty_server.start()
        await eventually(lambda: store.call("PING"))
        await eventually(lambda: reads(store))
    assert await eventually(lambda: store.available)
    assert [entry["event"] for entry in logs] == ["store unavailable", "store back"]
    assert logs[1]["away_seconds"] >= 0.3


async def reads(store: Store) -> bool:
    """Read a stream without waiting; True once that works."""
    return await store.read_stream(0, "0-0", count=1, block_ms=0) == []


async def test_closing_does_not_wait_for_a_store_that_is_gone(faulty_server: Server) -> None:
    """A store that is away costs close no more than its time limits, and what waited fails."""
    store = await Store.open(faulty_server.url, partitions=16, timeout=SHORT_TIMEOUT)
    faulty_server.pause()
    asked = store.submit("PING")
    started = time.monotonic()
    await store.close()
    assert time.monotonic() - started < 2 * SHORT_TIMEOUT + 3
    with pytest.raises(StoreUnavailableError):
        await asked
    faulty_server.resume()


def test_an_outage_is_over_when_all_that_failed_work_again() -> None:
    """The log says once that connections fail and once that all work; an unused one is forgotten."""
    now = 0.0
    outage = Outage(lambda: now)
    with capture_logs() as logs:
        outage.worked("writing")
        outage.failed("writing", "gone")
        outage.failed("reader-1", "gone")
        outage.failed("writing", "gone")
        outage.worked("writing")
        assert outage
        outage.worked("reader-1")
        assert not outage
        outage.failed("reader-2", "gone")
        now = STALE + 1
        outage.worked("writing")
        assert not outage
    assert [entry["event"] for entry in logs] == ["store unavailable", "store back"] * 2


def test_refused_commands_are_forgotten_sooner_than_connections() -> None:
    """A store that takes commands again, as one with room on its disk again, is back within seconds."""
    now = 0.0
    outage = Outage(lambda: now)
    outage.failed("refused commands", "no space left", stale=REFUSED)
    outage.failed("reader-1", "gone")
    outage.worked("reader-1")
    assert outage
    now = REFUSED
    outage.worked("writing")
    assert not outage
