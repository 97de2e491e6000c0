"""What every process of the service does, whatever its part: settings, limits, and the end by a signal."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Final

from relay.dialects.ringcentral.limits import PUBLISHED
from relay.directory.directory import Directory
from relay.directory.loading import demo, load
from relay.errors import ConfigurationError
from relay.settings import Settings
from relay.telemetry import log

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""What ``--demo`` opens to webhooks unless RELAY_WEBHOOK_ALLOW says otherwise."""

GENEROUS: Final = 100
"""How many times the published usage limits of RingCentral ``--demo`` grants."""

COLLECT_AFTER: Final = 10_000
"""Objects made until the youngest are looked at for cycles. Requests leave hardly any; at Python's own 700
the looking takes 7 % of a command's CPU, and its 99th percentile under load is 31 ms instead of 17."""


def configured(*, with_demo: bool) -> Settings:
    """Return the settings, with logs written and files opened as they must be for a service.

    Raises:
        ConfigurationError: a setting cannot be used, or there is no directory.

    """
    settings = Settings.from_environment()
    if settings.directory is None and not with_demo:
        raise ConfigurationError(
            "no directory: set RELAY_DIRECTORY to a YAML file of accounts and users, "
            "or try `relay serve --demo`"
        )
    if with_demo and settings.webhook_allow is None:
        settings = replace(settings, webhook_allow=LOOPBACK)
    if with_demo and settings.ringcentral_limits is None:
        settings = replace(settings, ringcentral_limits=tuple(GENEROUS * quota for quota in PUBLISHED))
    log.configure(settings.log_level, settings.log_format)
    _raise_file_limit()
    return settings


def directory_of(settings: Settings) -> Directory:
    """Load the directory that is set, or the demo's.

    Raises:
        ConfigurationError: it cannot be used.

    """
    return load(settings.directory) if settings.directory else demo()


def stop_event(*signals: signal.Signals) -> asyncio.Event:
    """Return an event that any of the signals sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    return stop


async def finished(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do some work unless the process is told to stop first; tell whether it was done. Raises as it does."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            return True
        return False
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def spare_the_collector() -> None:
    """Leave alone what lives as long as the process, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _raise_file_limit() -> None:
    """Take as many files as the system grants: the usual 1,024 are less than the streams of one process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS grants less than the hard limit says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
