"""``relay worker``: what ``relay serve --workers`` starts; of no use by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click
import structlog
import uvloop

from relay.app import Relay
from relay.cli.running import configured, directory_of, spare_the_collector, stop_event
from relay.errors import ConfigurationError, StoreUnavailableError


@click.command(hidden=True)
@click.argument("number", type=int)
@click.argument("socket", type=click.Path(path_type=Path))
@click.option("--demo", "with_demo", is_flag=True)
def worker(*, number: int, socket: Path, with_demo: bool) -> None:
    """Serve on the shared port until SIGTERM, or until standard input ends: then the parent is gone."""
    try:
        settings = configured(with_demo=with_demo)
        structlog.contextvars.bind_contextvars(worker=number)
        uvloop.run(_work(Relay(settings, directory_of(settings), parent_socket=socket)))
    except (ConfigurationError, StoreUnavailableError) as error:
        raise click.ClickException(str(error)) from error


async def _work(relay: Relay) -> None:
    stop = stop_event(signal.SIGTERM)
    _on_end_of_input(stop)
    try:
        await relay.start()
        spare_the_collector()
        await stop.wait()
    finally:
        await relay.stop()


def _on_end_of_input(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    source = sys.stdin.fileno()

    def read() -> None:
        if not os.read(source, 1024):
            loop.remove_reader(source)
            stop.set()

    loop.add_reader(source, read)
