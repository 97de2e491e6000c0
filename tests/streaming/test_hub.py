from __future__ import annotations

import asyncio
import itertools

import pytest

from relay.errors import DrainingError
from relay.journal.ids import InvalidIdError
from relay.journal.journal import Journal
from relay.journal.record import Entry, Record, RecordKind
from relay.journal.tail import Tail
from relay.streaming import replay
from relay.streaming.hub import Hub
from relay.streaming.links import Link
from relay.streaming.members import Gap
from tests.calls.calling import ACCOUNT, JANE, JOHN
from tests.engines import Server
from tests.journal.records import account_in
from tests.streaming.listening import Keeping, Tones
from tests.streaming.publishing import Line
from tests.waiting import eventually

ALL = Tones()


async def reaches(link: Link[list[int]], stream_id: str) -> None:
    """Wait until a link is served up to an id."""
    await eventually(lambda: link.position == stream_id, what=f"{link!r} reaches {stream_id}")


async def test_whoever_joins_fresh_gets_what_comes_after(hub: Hub, journal: Journal) -> None:
    """Nothing that was committed before, everything since."""
    line, member = Line(journal), Keeping()
    await line.tones(3)
    link = await hub.join(ACCOUNT, member, ALL)
    assert link.live
    [*_, last] = await line.tones(4)
    await reaches(link, last)
    assert member.told == [4, 5, 6, 7]


async def test_whoever_resumes_gets_what_came_after_its_id_then_what_comes(
    hub: Hub, journal: Journal
) -> None:
    """History in pages, then live, each event once; both forms of an id are taken."""
    line = Line(journal)
    ids = await line.tones(2 * replay.PAGE + 50)
    members = [Keeping(), Keeping()]
    links = [
        await hub.join(ACCOUNT, members[0], ALL, after=ids[9]),
        await hub.join(
            ACCOUNT, members[1], ALL, after=f"evt_{journal.store.keys(ACCOUNT).partition:02d}_{ids[9]}"
        ),
    ]
    [last] = await line.tones()
    for link, member in zip(links, members, strict=True):
        await reaches(link, last)
        assert member.told == list(range(11, len(ids) + 2))


async def test_resuming_from_the_ring_asks_the_store_for_nothing(
    hub: Hub, journal: Journal, server: Server
) -> None:
    """Who comes back within seconds costs no read, even while somebody else keeps the account live."""
    line = Line(journal)
    stays = await hub.join(ACCOUNT, Keeping(), ALL)
    ids = await line.tones(20)
    await reaches(stays, ids[-1])
    member = Keeping()
    with server.client as client:
        client.config_resetstat()
        await hub.join(ACCOUNT, member, ALL, after=ids[4])
        asked = set(client.info("commandstats"))
    assert member.told == list(range(6, 21))
    assert asked <= {"cmdstat_xread", "cmdstat_config|resetstat", "cmdstat_info"} | {
        name for name in asked if "client" in name or "hello" in name
    }


async def test_the_ring_stays_a_while_after_the_last_has_left(hub: Hub, journal: Journal) -> None:
    """Whoever drops and comes back finds what came meanwhile."""
    line, member = Line(journal), Keeping()
    first = await hub.join(ACCOUNT, member, ALL)
    [seen] = await line.tones()
    await reaches(first, seen)
    first.leave()
    [*_, last] = await line.tones(5)
    second = await hub.join(ACCOUNT, member, ALL, after=first.position)
    await reaches(second, last)
    assert member.told == [1, 2, 3, 4, 5, 6]


async def test_nothing_comes_after_leaving(hub: Hub, journal: Journal) -> None:
    """Leaving takes effect at once, twice is as good as once, and the position stays."""
    line, leaver, stayer = Line(journal), Keeping(), Keeping()
    leaving, staying = await hub.join(ACCOUNT, leaver, ALL), await hub.join(ACCOUNT, stayer, ALL)
    [first] = await line.tones()
    await reaches(leaving, first)
    leaving.leave()
    leaving.leave()
    [last] = await line.tones()
    await reaches(staying, last)
    assert (leaver.told, stayer.told, leaving.position, leaving.live) == ([1], [1, 2], first, False)


async def test_only_what_is_selected_is_delivered_and_the_position_moves_all_the_same(
    hub: Hub, journal: Journal
) -> None:
    """A quiet selection must not make its member read everything again when it comes back."""
    of_jane, of_john = Line(journal, JANE), Line(journal, JOHN)
    jane, john = Keeping(), Keeping()
    links = [await hub.join(ACCOUNT, jane, Tones("jane")), await hub.join(ACCOUNT, john, Tones("john"))]
    await of_jane.tones(3)
    [*_, last] = await of_john.tones(2)
    for link in links:
        await reaches(link, last)
    assert (jane.told, john.told) == ([1, 2, 3], [1, 2])


async def test_accounts_of_one_partition_do_not_see_one_another(hub: Hub, journal: Journal) -> None:
    """They share a reader and nothing else; positions follow the reader."""
    one, other = account_in(3), account_in(3, number=1)
    member, neighbour = Keeping(), Keeping()
    link, next_door = await hub.join(one, member, ALL), await hub.join(other, neighbour, ALL)
    await Line(journal, account=one).tones(2)
    [*_, last] = await Line(journal, account=other).tones(3)
    await reaches(link, last)
    await reaches(next_door, last)
    assert (member.told, neighbour.told) == ([1, 2], [1, 2, 3])


async def test_a_record_that_cannot_be_read_is_passed_over(hub: Hub, journal: Journal) -> None:
    """A broken event comes to nobody and stops nothing."""
    line, member = Line(journal), Keeping()
    link = await hub.join(ACCOUNT, member, ALL)
    await line.tones(1)
    for data in (b"nonsense", b"{}"):
        await journal.append(ACCOUNT, [Record(RecordKind.CALL, ACCOUNT, data)])
    [last] = await line.tones(1)
    await reaches(link, last)
    assert member.told == [1, 2]


async def test_what_one_read_brings_is_delivered_in_one_go(hub: Hub, journal: Journal) -> None:
    """Events that were committed together leave together."""
    member = Keeping()
    link = await hub.join(ACCOUNT, member, ALL)
    [*_, last] = await Line(journal).tones(100)
    await reaches(link, last)
    assert (len(member.told), member.deliveries) == (100, 1)


async def test_a_reader_that_is_behind_does_not_repeat_what_another_process_has_told(
    hub: Hub, journal: Journal, server: Server
) -> None:
    """A client may come from a process that was ahead: it gets only what is new to it."""
    line, member = Line(journal), Keeping()
    first = await hub.join(ACCOUNT, Keeping(), ALL)
    ids = await line.tones(30)
    link = await hub.join(ACCOUNT, member, ALL, after=ids[19])  # before this process has read any of them
    await reaches(first, ids[-1])
    await reaches(link, ids[-1])
    assert member.told == list(range(21, 31))


async def test_a_replay_stops_where_its_member_has_enough(hub: Hub, journal: Journal) -> None:
    """The position then is that of the last event handed over: it goes on from there another time."""
    ids = await Line(journal).tones(3 * replay.PAGE)
    member, rest = Keeping(enough=50), Keeping()
    link = await hub.join(ACCOUNT, member, ALL, after=ids[0])
    assert not link.live
    assert link.position == ids[len(member.told)]
    await hub.join(ACCOUNT, rest, ALL, after=link.position)
    assert member.told + rest.told == list(range(2, 3 * replay.PAGE + 1))


async def test_big_events_are_replayed_in_slices(hub: Hub, journal: Journal) -> None:
    """However much there is, only so much is handed over before the member is asked."""
    line = Line(journal, user_data={"note": "x" * 15_000})
    ids = await line.tones(40)
    member = Keeping()
    await hub.join(ACCOUNT, member, ALL, after=ids[0])
    assert member.told == list(range(2, 41))
    assert member.deliveries >= 40 * 15_000 // replay.SLICE_BYTES


async def test_trimmed_history_is_told_before_the_oldest_event_left(
    hub: Hub, journal: Journal, server: Server
) -> None:
    """The gap names the id asked for and the first one left, from which it goes on."""
    ids = await Line(journal).tones(10)
    with server.client as client:
        for key in (journal.store.keys(ACCOUNT).events, journal.store.keys(ACCOUNT).log(ACCOUNT)):
            client.xtrim(key, minid=ids[6], approximate=False)
    member = Keeping()
    link = await hub.join(ACCOUNT, member, ALL, after=ids[2])
    assert link.live
    assert member.told == [Gap(ids[2], ids[6]), 7, 8, 9, 10]


async def test_an_id_beyond_the_journals_end_is_a_gap_and_goes_on_live(hub: Hub, journal: Journal) -> None:
    """The store has lost what the client has seen: what it could be given again it may have had."""
    line, member = Line(journal), Keeping()
    [first] = await line.tones()
    beyond = "9999999999999-0"
    link = await hub.join(ACCOUNT, member, ALL, after=beyond)
    [last] = await line.tones()
    await reaches(link, last)
    assert member.told == [Gap(beyond, first), 2]


async def test_an_id_of_another_partition_is_a_gap(hub: Hub, journal: Journal) -> None:
    """It can be no event of the account's."""
    line, member = Line(journal), Keeping()
    [first] = await line.tones()
    partition = (journal.store.keys(ACCOUNT).partition + 1) % journal.store.partitions
    link = await hub.join(ACCOUNT, member, ALL, after=f"evt_{partition:02d}_{first}")
    [last] = await line.tones()
    await reaches(link, last)
    assert member.told == [Gap(first, first), 2]


async def test_what_is_no_id_is_refused(hub: Hub) -> None:
    """Before anything is asked of the store."""
    with pytest.raises(InvalidIdError):
        await hub.join(ACCOUNT, Keeping(), ALL, after="yesterday")


async def test_a_flushed_store_is_told_to_everybody(
    hub: Hub, journal: Journal, tail: Tail, server: Server
) -> None:
    """Members learn of the loss, then go on with what the new journal brings."""
    line, member = Line(journal), Keeping()
    link = await hub.join(ACCOUNT, member, ALL)
    [seen] = await line.tones()
    await reaches(link, seen)
    server.flush()
    await eventually(lambda: len(member.told) == 2, what="the gap")
    assert member.told == [1, Gap(seen, None)]
    [last] = await Line(journal).tones()
    await reaches(link, last)
    assert member.told[2:] == [1]


def record(client: str) -> Record:
    """Make a record of a Bayeux session's change."""
    return Record(RecordKind.BAYEUX, ACCOUNT, b'{"client":"%b","rev":7}' % client.encode())


async def test_a_session_record_ends_the_link_between_the_events_around_it(
    hub: Hub, journal: Journal
) -> None:
    """Everything before it is delivered, nothing after; the link's position is the record's."""
    line, member, other = Line(journal), Keeping(), Keeping()
    link = await hub.join(ACCOUNT, member, ALL, interrupt="abc")
    beside = await hub.join(ACCOUNT, other, ALL, interrupt="xyz")
    await line.tones(2)
    [at] = await journal.append(ACCOUNT, [record("abc")])
    [*_, last] = await line.tones(3)
    await reaches(beside, last)
    assert (member.told, link.position, link.live) == ([1, 2], at, False)
    assert [entry.id.stream_id for entry in member.records] == [at]
    assert other.told == [1, 2, 3, 4, 5]
    again = await hub.join(ACCOUNT, member, ALL, after=link.position, interrupt="abc")
    assert again.live
    assert member.told == [1, 2, 3, 4, 5]


async def test_a_session_record_in_the_ring_interrupts_a_resume_too(hub: Hub, journal: Journal) -> None:
    """Whoever comes back after the change meets it in its order."""
    line, member = Line(journal), Keeping()
    stays = await hub.join(ACCOUNT, Keeping(), ALL)
    [first, *_] = await line.tones(2)
    [at] = await journal.append(ACCOUNT, [record("abc")])
    [*_, last] = await line.tones(3)
    await reaches(stays, last)
    link = await hub.join(ACCOUNT, member, ALL, after=first, interrupt="abc")
    assert (member.told, link.position, link.live, len(member.records)) == ([2], at, False, 1)


async def test_a_member_that_fails_keeps_nothing_from_the_others(hub: Hub, journal: Journal) -> None:
    """It is let go, at the position it had; everybody else is served."""

    class Failing(Keeping):
        def deliver(self, payload: list[int]) -> None:
            raise RuntimeError("broken on purpose")

    line, failing, member = Line(journal), Failing(), Keeping()
    broken = await hub.join(ACCOUNT, failing, ALL)
    link = await hub.join(ACCOUNT, member, ALL)
    before = broken.position
    [last] = await line.tones()
    await reaches(link, last)
    assert member.told == [1]
    assert (broken.live, broken.position, failing.drops) == (False, before, 1)


async def test_a_selection_that_fails_lets_its_members_go(hub: Hub, journal: Journal) -> None:
    """They may come again from where they were; other selections are served."""

    class Failing(Tones):
        def pick(self, entries: object) -> list[int] | None:
            raise RuntimeError("broken on purpose")

    line, unlucky, member = Line(journal), Keeping(), Keeping()
    broken, link = await hub.join(ACCOUNT, unlucky, Failing()), await hub.join(ACCOUNT, member, ALL)
    before = broken.position
    [last] = await line.tones()
    await reaches(link, last)
    assert member.told == [1]
    assert (broken.live, broken.position, unlucky.drops) == (False, before, 1)


async def test_a_join_waits_while_the_store_is_away(faulty_server: Server, open_store: object) -> None:
    """It goes on by itself once the store answers, with everything after the id."""
    store = await open_store(faulty_server.url)  # type: ignore[operator]
    journal, tail = Journal(store), Tail(store)
    hub = Hub(tail, journal)
    try:
        ids = await Line(journal).tones(5)
        faulty_server.stop()
        member = Keeping()
        joining = asyncio.create_task(hub.join(ACCOUNT, member, ALL, after=ids[1]))
        done, _ = await asyncio.wait((joining,), timeout=0.5)
        assert not done
        faulty_server.start()
        await asyncio.wait_for(joining, 20)
        assert member.told == [3, 4, 5]
    finally:
        await hub.stop()
        await tail.stop()


async def test_a_cancelled_join_leaves_nothing_behind(hub: Hub, journal: Journal) -> None:
    """A client may go away at any moment."""
    ids = await Line(journal).tones(300)
    member = Keeping()
    kept = await hub.join(ACCOUNT, member, ALL)
    [feed] = hub._feeds.values()
    [stream] = feed._streams.values()
    for steps in itertools.count():
        joining = asyncio.create_task(hub.join(ACCOUNT, member, ALL, after=ids[0]))
        for _ in range(steps):
            await asyncio.sleep(0)
        if joining.done():
            joining.result().leave()
            break
        joining.cancel()
        await asyncio.wait((joining,))
        assert stream.links == {kept}


async def test_a_stopped_hub_takes_nobody(hub: Hub) -> None:
    """Who comes too late is told that the process is stopping."""
    await hub.join(ACCOUNT, Keeping(), ALL)
    await hub.stop()
    with pytest.raises(DrainingError):
        await hub.join(ACCOUNT, Keeping(), ALL)


async def test_what_is_not_used_is_let_go(
    hub: Hub, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last member's ring has aged, nothing of the account or its reader is left."""
    monkeypatch.setattr("relay.streaming.hub.SWEEP_SECONDS", 0.01)
    link = await hub.join(ACCOUNT, Keeping(), ALL)
    link.leave()
    await eventually(lambda: not hub._feeds and not hub._closing, what="no feed")
    await eventually(lambda: "nobody listens" in repr(hub._tail), what="no reader")
    member = Keeping()
    again = await hub.join(ACCOUNT, member, ALL)
    [last] = await Line(journal).tones()
    await reaches(again, last)
    assert member.told == [1]


def test_records_of_other_kinds_have_no_routes() -> None:
    """Only calls have; what cannot be read is nobody's."""
    from relay.calls.events import EventId
    from relay.streaming.members import client_of, routes_of

    broken = Entry(EventId(1, "1-0"), RecordKind.CALL, ACCOUNT, b"nonsense")
    session = Entry(EventId(1, "1-0"), RecordKind.BAYEUX, ACCOUNT, b"nonsense")
    assert routes_of(broken) == ()
    assert client_of(session) is None
    assert client_of(broken) is None


async def test_whoever_resumes_from_before_a_flush_is_told_of_the_gap(
    hub: Hub, journal: Journal, server: Server
) -> None:
    """Its id lies before the new history, all of which it is given."""
    [_, old] = await Line(journal).tones(2)
    server.flush()
    [first, _] = await Line(journal).tones(2)
    member = Keeping()
    await hub.join(ACCOUNT, member, ALL, after=old)
    assert member.told == [Gap(old, first), 1, 2]
