"""What /metrics tells of webhooks, summed over workers."""

from __future__ import annotations

import re

from aiohttp import ClientSession

from tests.harness.demo import ADMIN, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.harness.webhooks import Delivery, WebhookReceiver
from tests.waiting import eventually
from tests.workers.conftest import WORKERS
from tests.workers.processes import kill, metrics

LABELS = {"class", "how", "le", "reason", "state"}
"""The labels that metrics of webhooks and leases have; each has a few values, none of a tenant's making."""


async def test_deliveries_can_be_followed_in_numbers(
    new_relay: NewRelay, receiver: WebhookReceiver, http: ClientSession
) -> None:
    """What waits and how old it is, attempts by class and duration, dead letters, breakers, lease moves."""
    relay = await new_relay(rate_limits="off", arguments=WORKERS).start()
    admin = V3(http, relay.url, ADMIN)

    async def ill(delivery: Delivery) -> int:
        return 204 if delivery.hook == well else 500

    receiver.script = ill
    well = await receiver.subscribe(admin)
    dying = await receiver.subscribe(admin, retries=[])
    failing = await receiver.subscribe(admin, retries=[1000])
    first = await metrics(http, relay)
    assert first["relay_partitions_owned"] == first['relay_lease_moves_total{how="taken"}'] - sum(
        first[f'relay_lease_moves_total{{how="{how}"}}'] for how in ("released", "lost")
    )
    for state in ("closed", "open", "half_open"):
        assert first[f'relay_webhook_breakers{{state="{state}"}}'] == 0

    placed = await V3(http, relay.url, JANE).dial("200")
    assert placed["call_id"]
    seen: dict[str, float] = {}

    async def told() -> bool:
        seen.update(await metrics(http, relay))
        return (
            seen['relay_webhook_outcomes_total{class="2xx"}'] >= 3
            and seen.get('relay_webhook_dead_letters_total{reason="exhausted"}', 0) >= 3
            and seen["relay_webhook_due_lanes"] == 1
            and seen["relay_webhook_behind_events"] >= 2
            and seen["relay_webhook_dead_letters_held"] >= 3
        )

    await eventually(told, what="three deliveries of each kind")
    requests = seen["relay_webhook_attempts_total"]
    assert requests == sum(
        value for name, value in seen.items() if name.startswith("relay_webhook_outcomes_total")
    )
    assert seen['relay_webhook_request_seconds_bucket{le="+Inf"}'] == requests
    assert seen["relay_webhook_request_seconds_count"] == requests
    assert 0 < seen["relay_webhook_request_seconds_sum"] < 30 * requests
    assert seen['relay_webhook_breakers{state="closed"}'] == 3
    assert seen["relay_webhook_oldest_due_seconds"] == 0
    assert (
        seen["relay_webhook_unsealed"]
        == seen["relay_webhook_errands"]
        == seen["relay_webhook_in_flight"]
        == 0
    )
    assert {dying, failing} <= {one.hook for one in receiver.deliveries}


async def test_labels_are_few(relay: RelayProcess, http: ClientSession) -> None:
    """No id, number, URL or name is one."""
    names = await metrics(http, relay)
    ours = [name for name in names if name.startswith(("relay_webhook", "relay_lease"))]
    assert {label for name in ours for label in re.findall(r'(\w+)="', name)} <= LABELS
    assert len(ours) < 80


async def test_what_dead_workers_held_moves_at_once(relay: RelayProcess, http: ClientSession) -> None:
    """The parent knows that they have ended: nobody waits until their leases do."""

    async def held() -> float:
        return (await metrics(http, relay))["relay_partitions_owned"]

    async def all_held() -> bool:
        return await held() == 16

    await eventually(all_held, within=20)
    kill(relay, 1)
    kill(relay, 2)  # whichever of them held more

    def freed() -> int:
        return sum(line["leases"] for line in relay.logged("leases of ended processes freed"))

    await eventually(lambda: freed() == 16)
    await eventually(all_held, within=20)
