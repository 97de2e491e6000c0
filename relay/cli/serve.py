"""``relay serve``: run the service until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from dataclasses import replace
from ipaddress import ip_network
from typing import Final

import click
import uvloop
from rich.console import Console

from relay.app import Relay
from relay.cli import welcome
from relay.cli.tour.tour import TourError, tour
from relay.directory.loading import demo, load
from relay.errors import ConfigurationError, StoreUnavailableError
from relay.settings import Settings
from relay.telemetry import log

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""What ``--demo`` opens to webhooks unless RELAY_WEBHOOK_ALLOW says otherwise."""

COLLECT_AFTER: Final = 10_000
"""Objects made until the youngest are looked at for cycles. Requests leave hardly any; at Python's own 700
the looking takes 7 % of a command's CPU, and its 99th percentile under load is 31 ms instead of 17."""


@click.command()
@click.option("--demo", "with_demo", is_flag=True, help="Load the demo directory; open loopback to webhooks.")
@click.option("--tour", "with_tour", is_flag=True, help="Walk through one call and show it (needs --demo).")
@click.option("--once", is_flag=True, help="Stop after the tour; exit 0 only if it succeeded.")
def serve(*, with_demo: bool, with_tour: bool, once: bool) -> None:
    """Run the service. Settings come from RELAY_* in the environment."""
    if with_tour and not with_demo:
        raise click.UsageError("--tour walks through the demo directory: add --demo")
    if once and not with_tour:
        raise click.UsageError("--once stops after the tour: add --tour")
    try:
        settings = _settings(with_demo=with_demo)
        log.configure(settings.log_level, settings.log_format)
        sys.exit(uvloop.run(_serve(settings, with_demo=with_demo, with_tour=with_tour, once=once)))
    except (ConfigurationError, StoreUnavailableError) as error:
        raise click.ClickException(str(error)) from error


def _settings(*, with_demo: bool) -> Settings:
    settings = Settings.from_environment()
    if settings.directory is None and not with_demo:
        raise ConfigurationError(
            "no directory: set RELAY_DIRECTORY to a YAML file of accounts and users, "
            "or try `relay serve --demo`"
        )
    if with_demo and settings.webhook_allow is None:
        settings = replace(settings, webhook_allow=LOOPBACK)
    return settings


async def _serve(settings: Settings, *, with_demo: bool, with_tour: bool, once: bool) -> int:
    directory = load(settings.directory) if settings.directory else demo()
    console = Console()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    relay = Relay(settings, directory)
    code = 0
    try:
        await relay.start()
        _spare_the_collector()
        welcome.greet(console, relay, demo=with_demo)
        if with_tour:
            code = await _tour(relay, console, stop)
            if not once:
                welcome.go_on(console, relay)
        if not once:
            await stop.wait()
    finally:
        await relay.stop()
    return code


def _spare_the_collector() -> None:
    """Leave alone what lives as long as the process, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _tour(relay: Relay, console: Console, stop: asyncio.Event) -> int:
    """Run the tour unless the process is told to stop; return the exit code."""
    walking = asyncio.create_task(tour(relay.url, console))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({walking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not walking.done():
            return 1
        walking.result()
    except TourError as error:
        console.print(f"The tour failed: {error}", style="bold red", highlight=False)
        return 1
    finally:
        for task in (walking, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TourError):
                await task
    return 0
