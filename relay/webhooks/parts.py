"""What the webhook engine of one process shares among the partitions it owns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from relay.journal.store import Store
from relay.subscriptions.rendering import Renderers
from relay.subscriptions.store import Subscriptions
from relay.webhooks.ledger import Retention
from relay.webhooks.manners import STANDARD_MANNERS, Manners
from relay.webhooks.outbox import Rules
from relay.webhooks.sender import Sender
from relay.webhooks.slots import Slots
from relay.webhooks.stats import Stats

LOADING: Final = 16
"""Subscriptions of one process that are loaded at a time: pages are large, and others wait for the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Wired once, in `WebhookDuty`."""

    store: Store
    subscriptions: Subscriptions
    renderers: Renderers
    sender: Sender
    rules: Rules
    retention: Retention
    slots: Slots
    stats: Stats
    manners: Manners = field(default_factory=lambda: STANDARD_MANNERS)
    loading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOADING))
