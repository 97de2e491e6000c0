"""Manners: rules of a dialect's own for judging answers, and for giving an endpoint up."""

from __future__ import annotations

import time

from relay.journal.journal import Journal
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.subscriptions.model import Retired, Status, Subscription
from relay.subscriptions.rendering import Rendered
from relay.subscriptions.signing_keys import new_secret
from relay.webhooks.attempts import Attempt
from relay.webhooks.manners import STANDARD_MANNERS, StandardManner
from relay.webhooks.policy import Verdict
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, nothing_left
from tests.webhooks.receiving import Receiver, always

LATER = tuple([0.05] * 20)
"""Many retries, soon one after another."""


class Strict(StandardManner):
    """Takes nothing but 200, and loses patience."""

    def __init__(self, patience: float | None = None, *, spread: float = 0.0) -> None:
        self.patience = patience
        self.spread = spread

    def judge(self, status: int | None) -> Verdict:
        """Tell whether it is 200."""
        return Verdict.SUCCESS if status == 200 else Verdict.FAILURE

    def complaint(self, attempt: Attempt) -> str:
        """Tell what it was."""
        return f"answered {attempt.status_code}"


def test_a_replaced_secret_signs_to_the_moment_its_grace_ends() -> None:
    """Although what is signed has the time in whole seconds."""
    former, fresh = new_secret(), new_secret()
    subscription = Subscription(
        id="sub_1",
        account=ACCOUNT,
        user_id="jane",
        url="http://127.0.0.1/",
        secrets=(fresh,),
        retired=(Retired(former, 1_700_000_000_400),),
        created_at=0,
    )
    composer = StandardManner().composer(subscription)
    entry = Entry.of(7, "1-0", {b"k": b"call", b"a": ACCOUNT.encode(), b"d": b"{}"})

    def signatures(now: float) -> int:
        request = composer.compose(entry, Rendered("call.leg.dtmf", b"{}", None, None), now, 15)
        headers = dict(line.split(": ") for line in request.fields.decode().splitlines())
        assert headers["webhook-timestamp"] == "1700000000"
        return len(headers["webhook-signature"].split(" "))

    assert (signatures(1_700_000_000.399), signatures(1_700_000_000.4)) == (2, 1)


async def test_an_endpoint_that_only_fails_is_given_up(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """When patience is over the subscription is disabled with the last complaint, and its queue cleared."""
    receiver.answers["/hook"] = always(503)
    made = await subscribe(manner="strict")
    process = await start_process(manners={"strict": Strict(patience=0.3)}, retries=LATER)
    began = time.monotonic()
    await Line(journal).tones()

    async def disabled() -> bool:
        return (await process.subscriptions.get(ACCOUNT, made.id)).status is Status.DISABLED

    await eventually(disabled)
    found = await process.subscriptions.get(ACCOUNT, made.id)
    assert time.monotonic() - began >= 0.3
    assert found.reason == "answered 503"
    assert found.disabled_at is not None
    await eventually(lambda: nothing_left(store))


async def test_patience_ends_without_another_attempt(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A retry that is far away does not keep a dead endpoint alive."""
    receiver.answers["/hook"] = always(500)
    made = await subscribe(manner="strict")
    process = await start_process(manners={"strict": Strict(patience=0.2)}, retries=(3600,))
    await Line(journal).tones()

    async def disabled() -> bool:
        return (await process.subscriptions.get(ACCOUNT, made.id)).status is Status.DISABLED

    await eventually(disabled)
    assert len(receiver.at()) == 1


async def test_an_endpoint_that_failed_once_long_ago_is_not_given_up(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Patience ends with failures that lie apart: with the next one, also under another owner."""
    receiver.answers["/hook"] = always(500)
    made = await subscribe(manner="strict", retries=())
    options = {"manners": {"strict": Strict(patience=0.2, spread=0.3)}}
    process = await start_process(**options)
    line = Line(journal)
    await line.tones()
    await eventually(lambda: process.duty.stats.dead == 1)
    failed = time.monotonic()
    await eventually(lambda: time.monotonic() - failed > 0.5)
    await process.stop()
    process = await start_process(**options)
    assert (await process.subscriptions.get(ACCOUNT, made.id)).status is Status.ACTIVE
    await line.tones()

    async def disabled() -> bool:
        return (await process.subscriptions.get(ACCOUNT, made.id)).status is Status.DISABLED

    await eventually(disabled)
    assert len(receiver.at()) == 2


async def test_one_success_gives_new_patience(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Failures before a success count no more."""
    receiver.answers["/hook"] = always(500)
    made = await subscribe(manner="strict")
    process = await start_process(manners={"strict": Strict(patience=2)}, retries=LATER)
    began = time.monotonic()
    await Line(journal).tones()
    await eventually(lambda: len(receiver.at()) >= 2)
    receiver.answers["/hook"] = always(200)
    await eventually(lambda: time.monotonic() - began > 2.5)
    line = Line(journal)
    await line.tones()
    await eventually(lambda: line._name in receiver.by_call())
    assert (await process.subscriptions.get(ACCOUNT, made.id)).status is Status.ACTIVE


async def test_a_manner_judges_for_itself(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """What is a success by relay's own rules need not be one by another's; 410 is no end there."""
    receiver.answers["/hook"] = always(204)
    receiver.answers["/gone"] = always(410)
    await subscribe(manner="strict")
    gone = await subscribe("/gone", manner="strict")
    process = await start_process(manners={"strict": Strict()}, retries=LATER)
    await Line(journal).tones()
    await eventually(lambda: len(receiver.at()) > 2 and len(receiver.at("/gone")) > 2)
    assert (await process.subscriptions.get(ACCOUNT, gone.id)).status is Status.ACTIVE


async def test_an_unknown_manner_is_relays_own(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A process that does not know a subscription's manner delivers it by its own, and serves the others."""
    await subscribe(manner="of another version")
    await subscribe("/own")
    await start_process(manners=STANDARD_MANNERS)
    await Line(journal).tones()
    await eventually(lambda: len(receiver.requests) == 2)
    assert receiver.ids() == receiver.ids("/own")
    await eventually(lambda: nothing_left(store))


class Faulty(StandardManner):
    """Breaks at its first answer."""

    broken = 0

    def judge(self, status: int | None) -> Verdict:
        """Tell whether it is a success, but not the first time."""
        self.broken += 1
        if self.broken == 1:
            raise RuntimeError("a fault of our own")
        return super().judge(status)


async def test_a_fault_in_judging_an_answer_costs_a_repeat_and_no_event(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """The owner begins anew and gives every place back; what was not judged is sent again."""
    await subscribe(manner="faulty")
    process = await start_process(manners={"faulty": Faulty()}, max_in_flight=1)
    sent = await Line(journal).tones(3)

    await eventually(lambda: len(receiver.requests) == len(sent) + 1)
    await eventually(lambda: nothing_left(store))

    assert receiver.ids()[0] == receiver.ids()[1]
    assert process.duty.stats.in_flight == 0
