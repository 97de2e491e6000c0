"""Sealing anew what was stored under a former key or none, once a partition has an owner with the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from relay.errors import ContendedError, NotFoundError, UnavailableError
from relay.subscriptions.sealing import SealedError
from relay.subscriptions.store import Subscriptions
from relay.telemetry import log
from relay.webhooks.ledger import RETRY_PAUSE

PACE: Final = 0.005
"""Seconds between two: each is a record of the journal that every process reads."""

_log: Final = log.get("webhooks")


async def reseal(subscriptions: Subscriptions, stale: Mapping[str, str]) -> None:
    """Write subscriptions, by id with their accounts, as they are; those that cannot be opened stay so."""
    done = 0
    for subscription_id, account in stale.items():
        while True:
            try:
                await subscriptions.reseal(account, subscription_id)
                done += 1
            except (
                NotFoundError,
                SealedError,
                ContendedError,
            ):  # gone, logged when read, or sealed by others
                break
            except UnavailableError:
                await asyncio.sleep(RETRY_PAUSE)
            else:
                break
        await asyncio.sleep(PACE)
    _log.info("secrets sealed", subscriptions=done)
