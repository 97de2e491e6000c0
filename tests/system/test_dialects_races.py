"""Commands for one call at the same moment, in two dialects, at two processes: one order wins."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from tests.engines import Server
from tests.harness.demo import ADMIN, ALEX, JANE, JOHN
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3, Answer

COMMANDS = 50
MOST_TRIES = 2 * COMMANDS
"""In each process commands on one call queue up, so two contend at a time, and one of them wins."""
MOST_REQUESTS = 16 * COMMANDS
"""What the store is asked for by all: a command reads the call, its devices and its sender, and tries."""


class Processes(NamedTuple):
    """Two processes on one store."""

    server: Server
    a: RelayProcess
    b: RelayProcess


class Desk(NamedTuple):
    """Jane talks with John; she is at GWS of one process and at v3 of the other, and so is he."""

    server: Server
    gws: dict[str, Gws]
    v3: dict[str, V3]
    call: str
    """The call's id in GWS."""
    legs: dict[str, str]
    """Legs in v3, by login."""
    since: str
    """Id of the last event before."""

    async def operate(self, user: str, operation: str, **parameters: Any) -> Answer:
        """Ask for an operation on the call over GWS, whatever is answered."""
        body = {"operationName": operation, **parameters}
        return await self.gws[user].ask("POST", f"/me/calls/{self.call}", json=body)

    async def command(self, user: str, name: str, **payload: Any) -> Answer:
        """Send a command on the user's leg over v3, whatever is answered."""
        return await self.v3[user].command(name, call_leg_id=self.legs[user], **payload)

    async def story(self) -> list[dict[str, Any]]:
        """Return all events since; each leg's count from 1, and none follows its end."""
        events = await self.v3["admin"].history(after=self.since)
        legs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in events:
            legs[event["id"]].append(event)
        for of_leg in legs.values():
            assert [event["sequence"] for event in of_leg] == [*range(1, len(of_leg) + 1)]
            assert all(event["state"] != "hungup" for event in of_leg[:-1])
        return events

    def asked_of_the_store(self) -> Counter[str]:
        """Return how often each command was sent to the store, or run there by a script."""
        with self.server.client as client:
            stats: dict[str, dict[str, int]] = client.info("commandstats")
        return Counter({name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()})


@pytest.fixture(scope="module")
def processes(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Give two processes on one store, without rate limits, to all tests."""
    server = Server(engine).start()
    folder = tmp_path_factory.mktemp("races")
    pair = [
        RelayProcess(folder / name, store_url=server.url, rate_limits="off", ring_timeout="3600")
        for name in ("a", "b")
    ]

    async def start() -> None:
        await asyncio.gather(*(process.start() for process in pair))

    try:
        asyncio.run(start())
        yield Processes(server, *pair)
    finally:
        for process in pair:
            process.remove()
        server.remove()
    assert "Traceback" not in pair[0].output + pair[1].output


@pytest.fixture
async def desk(processes: Processes, http: ClientSession) -> AsyncIterator[Desk]:
    """Give everybody at both dialects, and Jane's call to John, who has not answered."""
    users = (JANE, JOHN, ALEX, ADMIN)
    gws = {user.login: Gws(http, processes.a.url, user) for user in users}
    v3 = {user.login: V3(http, processes.b.url, user) for user in users}
    earlier = await v3["admin"].history()
    await gws["jane"].dial(JOHN.number)
    [jane], [john] = [await v3[login].calls() for login in ("jane", "john")]
    [call] = await gws["jane"].calls()
    legs = {"jane": jane["id"], "john": john["id"]}
    desk = Desk(processes.server, gws, v3, call["id"], legs, earlier[-1]["event_id"] if earlier else "0-0")
    yield desk
    for user in ("jane", "john", "alex"):
        for leg in await v3[user].calls():
            await v3[user].on_leg("hangup", leg["id"])
    await desk.story()


def clearly_refused(answer: Answer) -> bool:
    """Tell whether a command lost, in so many words."""
    if "statusCode" in answer.body:
        return (answer.status, answer.body["statusCode"]) == (400, 2)
    code = answer.body.get("code")
    return (answer.status, code) in ((403, "not_active_participant"), (409, "not_allowed_now"))


async def test_answering_and_rejecting(desk: Desk) -> None:
    """Either John talks and learns that he cannot reject, or he has rejected and cannot answer."""
    answered, rejected = await asyncio.gather(desk.operate("john", "Answer"), desk.command("john", "reject"))
    assert [answered.status == 200, rejected.status == 202].count(True) == 1
    assert clearly_refused(rejected if answered.status == 200 else answered)
    await desk.story()
    assert len(await desk.v3["admin"].calls()) == (2 if answered.status == 200 else 0)


async def test_transferring_and_hanging_up(desk: Desk) -> None:
    """Whoever comes first decides whether Alex's phone rings; nobody is told of both."""
    assert (await desk.operate("john", "Answer")).status == 200
    transferred, hung_up = await asyncio.gather(
        desk.operate("jane", "SingleStepTransfer", destination=ALEX.number),
        desk.command("john", "hangup"),
    )
    assert hung_up.status == 202
    assert transferred.status == 200 or clearly_refused(transferred)
    told = [(event["user_extension"], event["type"]) for event in await desk.story()]
    assert (("220", "call.leg.ringing") in told) is (transferred.status == 200)
    assert await desk.v3["admin"].calls() == []


async def test_holding_in_both_dialects(desk: Desk) -> None:
    """Once; the other is told that it is held already."""
    assert (await desk.operate("john", "Answer")).status == 200
    answers = await asyncio.gather(desk.operate("jane", "Hold"), desk.command("jane", "hold"))
    [refused] = [answer for answer in answers if answer.status not in (200, 202)]
    assert clearly_refused(refused)
    assert [event["type"] for event in await desk.story()].count("call.leg.held") == 1


async def test_completing_a_transfer_and_ending_its_consult_call(desk: Desk) -> None:
    """John and Alex talk with each other, or Jane has John on hold: never neither, never both."""
    assert (await desk.operate("john", "Answer")).status == 200
    consult = (await desk.command("jane", "consult", destination="220")).accepted()
    [alex] = await desk.v3["alex"].calls()
    await desk.v3["alex"].on_leg("answer", alex["id"])
    completed, ended = await asyncio.gather(
        desk.operate("jane", "CompleteTransfer"),
        desk.v3["jane"].command("hangup", call_leg_id=consult["call_leg_id"]),
    )
    assert [completed.status == 200, ended.status == 202].count(True) == 1
    assert clearly_refused(ended if completed.status == 200 else completed)
    await desk.story()
    left = sorted(leg["user_extension"] for leg in await desk.v3["admin"].calls())
    assert left == (["200", "220"] if completed.status == 200 else ["200", "210"])


async def test_fifty_commands_at_once(desk: Desk) -> None:
    """All take effect, in one order that everybody is told; losing a race costs a try, not a storm."""
    assert (await desk.operate("john", "Answer")).status == 200
    before, known = desk.asked_of_the_store(), len(await desk.story())
    answers = await asyncio.gather(
        *(
            desk.operate("jane", "UpdateUserData", userData={f"gws{number}": number})
            if number % 2
            else desk.command("john", "set-user-data", user_data={f"v3{number}": number})
            for number in range(COMMANDS)
        )
    )
    assert {answer.status for answer in answers} == {200, 202}
    asked = desk.asked_of_the_store() - before
    events = (await desk.story())[known:]
    assert len(events) == 2 * COMMANDS  # each is told to both
    for extension in ("210", "200"):
        seen = [event["user_data"] for event in events if event["user_extension"] == extension]
        assert [len(user_data) for user_data in seen] == [*range(1, COMMANDS + 1)]
    assert COMMANDS <= asked["hmget"] <= MOST_TRIES, asked  # each try to commit reads the version by it
    assert sum(asked[name] for name in ("evalsha", "get", "hget", "hgetall")) <= MOST_REQUESTS, asked


async def test_fifty_commands_that_exclude_one_another(desk: Desk) -> None:
    """Of holding and retrieving, over and over, each is taken exactly when it changes something."""
    assert (await desk.operate("john", "Answer")).status == 200
    known = len(await desk.story())
    answers = await asyncio.gather(
        *(
            desk.operate("jane", ("Hold", "Retrieve")[number // 2 % 2])
            if number % 2
            else desk.command("jane", ("hold", "retrieve")[number // 2 % 2])
            for number in range(COMMANDS)
        )
    )
    taken = sum(answer.status in (200, 202) for answer in answers)
    assert all(answer.status in (200, 202) or clearly_refused(answer) for answer in answers)
    kinds = [event["type"].rpartition(".")[2] for event in (await desk.story())[known:]]
    assert kinds == [("held", "retrieved")[number % 2] for number in range(taken)]
    [call] = await desk.gws["jane"].calls()
    assert call["state"] == ("Held" if taken % 2 else "Established")
