"""``relay serve``: run the service until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys

import click
import uvloop
from rich.console import Console

from relay.app import Relay, Supervisor
from relay.cli import welcome
from relay.cli.running import configured, directory_of, finished, spare_the_collector, stop_event
from relay.cli.tour.tour import TourError, tour
from relay.errors import ConfigurationError, StoreUnavailableError
from relay.settings import Settings


@click.command()
@click.option(
    "--demo",
    "with_demo",
    is_flag=True,
    help="Load the demo directory unless RELAY_DIRECTORY is set; open loopback to webhooks.",
)
@click.option("--tour", "with_tour", is_flag=True, help="Walk through one call and show it (needs --demo).")
@click.option("--once", is_flag=True, help="Stop after the tour; exit 0 only if it succeeded.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the public port and the store.",
)
def serve(*, with_demo: bool, with_tour: bool, once: bool, workers: int) -> None:
    """Run the service. Settings come from RELAY_* in the environment."""
    if with_tour and not with_demo:
        raise click.UsageError("--tour walks through the demo directory: add --demo")
    if once and not with_tour:
        raise click.UsageError("--once stops after the tour: add --tour")
    try:
        settings = configured(with_demo=with_demo)
        if with_tour and settings.directory:
            raise click.UsageError("--tour walks through the demo directory: unset RELAY_DIRECTORY")
        relay = _made(settings, workers, with_demo=with_demo)
        demo_users = with_demo and not settings.directory
        sys.exit(uvloop.run(_serve(relay, demo_users=demo_users, with_tour=with_tour, once=once)))
    except (ConfigurationError, StoreUnavailableError) as error:
        raise click.ClickException(str(error)) from error


def _made(settings: Settings, workers: int, *, with_demo: bool) -> Relay | Supervisor:
    directory = directory_of(settings)  # with workers, read here to be refused once
    if workers == 1:
        return Relay(settings, directory)
    return Supervisor(settings, workers, arguments=("--demo",) if with_demo else ())


async def _serve(relay: Relay | Supervisor, *, demo_users: bool, with_tour: bool, once: bool) -> int:
    console = Console()
    stop = stop_event(signal.SIGINT, signal.SIGTERM)
    try:
        if not await finished(relay.start(), stop):
            return int(once)
        spare_the_collector()
        welcome.greet(console, relay, demo_users=demo_users)
        failed = with_tour and await _failed(relay.url, console, stop)
        if once:
            return int(failed or stop.is_set())
        if with_tour and not stop.is_set():
            welcome.go_on(console, relay)
        await stop.wait()
        return int(failed)
    finally:
        await relay.stop()


async def _failed(url: str, console: Console, stop: asyncio.Event) -> bool:
    """Run the tour unless the process is told to stop; tell whether it failed."""
    try:
        await finished(tour(url, console), stop)
    except TourError as error:
        console.print(f"The tour failed: {error}", style="bold red", highlight=False)
        return True
    return False
