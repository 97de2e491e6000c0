"""`relay serve --workers`: several processes on one port and one store."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import AsyncExitStack

from aiohttp import ClientSession

from tests.harness.demo import ADMIN, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually
from tests.workers.conftest import WORKERS
from tests.workers.processes import alive, connections, file_limits, kill, metrics, unready, workers

CALLS = 15
"""That have gone their whole way before each kill."""
KILLS = 4


async def test_the_tour_is_the_same_with_two_workers(new_relay: NewRelay) -> None:
    """`serve --demo --tour --once --workers 2` shows one story on three channels and exits 0."""
    relay = new_relay(arguments=("--tour", "--once", *WORKERS))
    relay.launch()
    assert await relay.ended(60) == 0
    assert "All three channels told the same complete story, in order." in relay.output
    assert len(relay.logged("worker started")) == 2


async def test_connections_are_shared_out(relay: RelayProcess, http: ClientSession) -> None:
    """Both workers get some of many streams, all are told of a call, and the parent shows their sum."""
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(SseFollower(http, relay.url)) for _ in range(24)]
        assert (await metrics(http, relay))["relay_sse_streams"] == 24
        shares = [connections(pid) for pid in workers(relay).values()]
        assert min(shares) > 0, shares  # the kernel draws by lot: of 24, all but four may well be one's
        placed = await V3(http, relay.url, JANE).dial("200")
        await eventually(lambda: all(len(stream.events) >= 3 for stream in streams))
        assert all(stream.told[0]["call_id"] == placed["call_id"] for stream in streams)
        assert {stream.last_id for stream in streams} == {streams[0].last_id}


async def test_it_is_ready_when_all_workers_are(relay: RelayProcess, http: ClientSession) -> None:
    """A worker that dies is missed at once, said, replaced, and what it counted is not forgotten."""
    assert await unready(http, relay) == ""
    for _ in range(20):
        await V3(http, relay.url, ADMIN).calls()
    before = await metrics(http, relay)
    assert before["relay_workers"] == 2
    kill(relay, 2)
    await eventually(lambda: unready(http, relay), every=0.005, what="the parent to notice")
    await eventually(lambda: len(relay.logged("worker ended")) == 1)
    [ended] = relay.logged("worker ended")
    assert (ended["worker"], ended["code"]) == (2, -signal.SIGKILL)

    async def ready() -> bool:
        return not await unready(http, relay)

    await eventually(ready, within=30)
    assert len(relay.logged("worker started")) == 3
    after = await metrics(http, relay)
    assert after["relay_worker_restarts_total"] == 1
    assert after["relay_store_available"] == 1
    counters = {name for name in before if name.partition("{")[0].endswith("_total")}
    assert {name for name in counters if after[name] < before[name]} == set()


async def test_a_killed_worker_loses_nothing(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Calls go on while workers die of SIGKILL by turns: webhook and stream tell each of them entirely."""
    traffic = Traffic(http, [relay.url], at_once=8)
    admin = V3(http, relay.url, ADMIN)
    hook = await receiver.subscribe(admin)
    async with SseFollower(http, relay.url) as stream:

        async def kills() -> None:
            for number in range(KILLS):
                await traffic.go_on(CALLS)
                await eventually(lambda: len(relay.logged("worker started")) == 2 + number, within=30)  # noqa: B023
                kill(relay, 1 + number % 2)

        await traffic.run_while(kills)
        await traffic.check(admin, stream, receiver, hook)
    assert stream.gaps == []
    await eventually(lambda: len(relay.logged("worker ended")) == KILLS)


async def test_stopping_drains_every_worker(relay: RelayProcess, http: ClientSession) -> None:
    """SIGTERM to the parent: all streams end with a hint, the workers before the store, and the code is 0."""
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(SseFollower(http, relay.url)) for _ in range(8)]
        hints = {id(stream): len(stream.retries) for stream in streams}
        for stream in streams:
            stream.pause()  # or it might come to a worker that learns a moment later that it is to stop
        relay.signal(signal.SIGTERM)
        await eventually(lambda: all(stream.ended == 1 for stream in streams))
        assert all(len(stream.retries) == hints[id(stream)] + 1 for stream in streams)
        assert await relay.ended() == 0
    ends = [line["event"] for line in relay.log if "stopped" in line["event"]]
    assert ends == ["stopped", "stopped", "all stopped"]
    assert not relay.logged("worker ended")
    assert not any(line["level"] in ("warning", "error") for line in relay.log)
    assert not any(alive(pid) for pid in workers(relay).values())


async def test_control_c_in_a_terminal_drains_as_well(new_relay: NewRelay, http: ClientSession) -> None:
    """SIGINT to the whole foreground group, as the terminal sends it: nobody dies of it, the code is 0."""
    relay = new_relay(arguments=WORKERS)
    relay._command.insert(0, "setsid")  # a group of its own: the tests must not be interrupted as well
    await relay.start()
    async with SseFollower(http, relay.url) as stream:
        stream.pause()
        os.killpg(relay.pid, signal.SIGINT)
        await eventually(lambda: stream.ended == 1)
        assert await relay.ended() == 0
    assert len(relay.logged("stopped")) == 2


async def test_a_worker_that_is_told_to_end_drains_and_is_replaced(
    relay: RelayProcess, http: ClientSession
) -> None:
    """SIGTERM to one worker ends its streams in good order; the other's go on, and its place is filled."""
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(SseFollower(http, relay.url)) for _ in range(16)]
        os.kill(workers(relay)[1], signal.SIGTERM)
        await eventually(lambda: relay.logged("worker ended"))
        assert relay.logged("worker ended")[0]["code"] == 0
        await eventually(lambda: any(stream.ended for stream in streams), what="a stream to have ended")
        await eventually(lambda: all(stream.open for stream in streams))
        assert 0 < sum(stream.ended for stream in streams) < 16
        await V3(http, relay.url, JANE).dial("200")
        await eventually(lambda: all(len(stream.events) >= 3 for stream in streams))
    await eventually(lambda: len(relay.logged("worker started")) == 3)


async def test_workers_end_when_their_parent_is_killed(relay: RelayProcess, http: ClientSession) -> None:
    """They drain by themselves; the next parent adopts the store and serves what was accepted."""
    orphans = workers(relay).values()
    placed = await V3(http, relay.url, JANE).dial("200")
    async with SseFollower(http, relay.url) as stream:
        stream.pause()
        relay.kill()
        await eventually(lambda: not any(alive(pid) for pid in orphans), within=30)
        await eventually(lambda: stream.ended == 1)
        await relay.start()
        stream.go_on()
        assert "embedded Valkey (found running)" in relay.output
        await V3(http, relay.url, JANE).on_leg("hangup", placed["call_leg_id"])
        await eventually(lambda: any(event["type"] == "call.leg.hungup" for event in stream.told))
        assert stream.told == (await V3(http, relay.url, ADMIN).history())[-len(stream.told) :]


async def test_a_port_that_somebody_has_is_refused(new_relay: NewRelay) -> None:
    """Also if they would share it: two services on one port would answer by turns."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        relay = new_relay(arguments=WORKERS, bind=bind)
        relay.launch()
        assert await relay.ended() == 1
    assert f"RELAY_BIND: cannot listen on {bind}" in relay.output


async def test_what_no_worker_can_use_ends_the_service(new_relay: NewRelay) -> None:
    """A worker that cannot start says why, and the parent ends with it rather than trying for ever."""
    relay = new_relay(arguments=WORKERS, cors_origins="nonsense")
    relay.launch()
    assert await relay.ended() == 1
    assert "RELAY_CORS_ORIGINS" in relay.output
    assert "ended as it started" in relay.output


async def test_each_process_may_open_all_the_files_the_system_grants(relay: RelayProcess) -> None:
    """Twenty thousand streams need more than the usual 1,024."""
    for pid in (relay.pid, *workers(relay).values()):
        soft, hard = file_limits(pid)
        assert soft == hard
