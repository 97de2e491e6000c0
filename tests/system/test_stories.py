"""Calls from beginning to end at the running service: what v3 tells of them, alike on every channel."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession

from tests.harness.demo import ANSWERS_AND_LEAVES, BUSY, NEVER_ANSWERS, OUTSIDE, REJECTS
from tests.harness.fixtures import NewRelay
from tests.harness.office import Office, office
from tests.harness.process import RelayProcess
from tests.harness.webhooks import WebhookReceiver


def ends(where: Office) -> list[dict[str, str | None]]:
    """Return how each leg ended, in the order told."""
    return [event["hangup"] for event in where.stream.told if event["hangup"]]


async def test_a_click_to_dial_is_one_story_on_every_channel(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """210 dials 200, who answers; 210 hangs up: stream, webhook and history tell it in the same bytes."""
    async with office(http, relay.url, receiver) as here:
        placed = await here.jane.dial("200", user_data={"case": "4711"})
        ringing = await here.ringing(placed["call_id"], here.john)
        await here.john.on_leg("answer", ringing)
        await here.jane.on_leg("hangup", placed["call_leg_id"])
        assert await here.told(6) == [
            ("210", "ringing", 1),
            ("210", "answered", 2),
            ("200", "ringing", 1),
            ("200", "answered", 2),
            ("210", "hungup", 3),
            ("200", "hungup", 3),
        ]
        told = here.stream.told
        assert {event["call_id"] for event in told} == {placed["call_id"]}
        assert {event["id"] for event in told} == {placed["call_leg_id"], ringing}
        assert told[0]["command_id"] == placed["command_id"]
        assert all(event["user_data"] == {"case": "4711"} and event["internal"] for event in told)
        assert [(e["direction"], e["from"]["number"], e["to"]["number"]) for e in told[1:3]] == [
            ("outbound", "210", "200"),
            ("inbound", "210", "200"),
        ]
        assert ends(here) == [{"cause": "normal", "by": "210"}] * 2
        assert await here.admin.calls() == []


async def test_an_inbound_call_rings_is_answered_and_ended_from_outside(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """The simulator lets an outside number call 210: only 210's leg is told of."""
    async with office(http, relay.url, receiver) as here:
        made = await here.admin.ask("POST", "/v3/simulator/calls/", json={"from": OUTSIDE, "to": "210"})
        assert made.status == 201
        caller, called = made.body["parties"]
        assert (caller["extension"], called["extension"]) == (None, "210")
        await here.jane.on_leg("answer", called["id"])
        left = await here.admin.ask("POST", f"/v3/simulator/parties/{caller['id']}/hangup")
        assert left.status == 202
        assert await here.told(3) == [("210", "ringing", 1), ("210", "answered", 2), ("210", "hungup", 3)]
        assert here.stream.told[0]["from"]["number"] == OUTSIDE
        assert ends(here) == [{"cause": "normal", "by": None}]


async def test_an_external_number_answers_by_itself_and_leaves(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """A call to a number outside is told of the caller's leg alone, to its end."""
    async with office(http, relay.url, receiver) as here:
        await here.jane.dial(ANSWERS_AND_LEAVES)
        assert await here.told(3) == [("210", "ringing", 1), ("210", "answered", 2), ("210", "hungup", 3)]
        assert ends(here) == [{"cause": "normal", "by": None}]


@pytest.mark.parametrize(("number", "cause"), [(BUSY, "busy"), (REJECTS, "rejected")])
async def test_a_far_end_that_does_not_want_ends_the_call(
    number: str, cause: str, relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """The caller's leg ends with what became of the far end."""
    async with office(http, relay.url, receiver) as here:
        await here.jane.dial(number)
        assert await here.told(3) == [("210", "ringing", 1), ("210", "answered", 2), ("210", "hungup", 3)]
        assert ends(here) == [{"cause": cause, "by": None}]


async def test_who_is_called_may_reject_or_be_busy(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """200 rejects one call by command, and at the phone is busy for the next: both legs say so."""
    async with office(http, relay.url, receiver) as here:
        first = await here.jane.dial("200")
        await here.john.on_leg("reject", await here.ringing(first["call_id"], here.john))
        await here.told(5)
        second = await here.jane.dial("200")
        leg = await here.ringing(second["call_id"], here.john)
        assert (await here.john.ask("POST", f"/v3/simulator/parties/{leg}/busy")).status == 202
        story = await here.told(10)
        assert [(extension, what) for extension, what, _ in story if what == "hungup"] == [
            ("200", "hungup"), ("210", "hungup"),
        ] * 2  # fmt: skip
        assert ends(here) == [{"cause": "rejected", "by": "200"}] * 2 + [{"cause": "busy", "by": None}] * 2


async def test_who_never_answers_ends_the_call_in_time(
    new_relay: NewRelay, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """After RELAY_RING_TIMEOUT a leg that rings ends as no_answer, at our phones and outside."""
    relay = await new_relay(ring_timeout="0.5", rate_limits="off").start()
    async with office(http, relay.url, receiver) as here:
        await here.jane.dial("200")
        await here.told(5)
        await here.alex.dial(NEVER_ANSWERS)
        await here.told(8)
        assert ends(here) == [{"cause": "no_answer", "by": None}] * 3


async def test_a_caller_who_gives_up_cancels_the_call(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """The caller hangs up while the far end rings: both legs end as canceled, none was answered."""
    async with office(http, relay.url, receiver) as here:
        placed = await here.jane.dial("200")
        await here.ringing(placed["call_id"], here.john)
        await here.jane.on_leg("hangup", placed["call_leg_id"])
        story = await here.told(5)
        assert ("200", "answered", 2) not in story
        assert ends(here) == [{"cause": "canceled", "by": "210"}] * 2


async def test_many_calls_at_once_are_each_told_in_order(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Twenty calls at the same time: each leg's sequence is complete and in order on stream and webhook."""
    async with office(http, relay.url, receiver) as here:

        async def talk() -> None:
            placed = await here.jane.dial("200")
            await here.john.on_leg("answer", await here.ringing(placed["call_id"], here.john))
            await here.jane.on_leg("hangup", placed["call_leg_id"])

        await asyncio.gather(*(talk() for _ in range(20)))
        await here.told(120)
        wanted = [(1, "call.leg.ringing"), (2, "call.leg.answered"), (3, "call.leg.hungup")]
        for legs in (here.stream.legs(), here.receiver.legs(here.hook)):
            assert len(legs) == 40
            assert all(story == wanted for story in legs.values())
