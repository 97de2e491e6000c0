"""GWS over HTTP on a real store, with the demo's people."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from relay.control import Control
from relay.dialects.gws.failures import render_error
from relay.dialects.gws.render import API
from relay.dialects.gws.routes import Parts, add_routes
from relay.directory.directory import Directory
from relay.directory.loading import demo
from relay.http.detached import Detached
from relay.http.errors import errors_middleware
from relay.journal.journal import Journal
from relay.settings import Settings
from relay.switch.simulator import Simulator
from tests.dialects.gws.face import Clock, Face


@pytest.fixture(scope="session")
def directory() -> Directory:
    """Give the demo directory."""
    return demo()


@pytest.fixture
async def face(aiohttp_client: AiohttpClient, journal: Journal, directory: Directory) -> AsyncIterator[Face]:
    """Give GWS, served by one process on the empty store."""
    clock = Clock()
    control = Control(journal, directory, Simulator(directory.device, ring_timeout=60), now=clock)
    detached = Detached()
    app = web.Application(middlewares=[errors_middleware({API: render_error}, render_error)])
    parts = Parts(
        control=control,
        journal=journal,
        directory=directory,
        detached=detached,
        settings=Settings(),
        now=clock,
    )
    add_routes(app, parts)
    yield Face(await aiohttp_client(app), control, journal, clock)
    await detached.stop(5)
