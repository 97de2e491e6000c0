"""GWS over HTTP on a real store, with the demo's people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from relay.control import Control
from relay.dialects.gws.failures import render_error
from relay.dialects.gws.render import API
from relay.dialects.gws.routes import Parts, add_routes
from relay.directory.directory import Directory
from relay.directory.loading import demo
from relay.directory.model import Principal
from relay.http.detached import Detached
from relay.http.errors import errors_middleware
from relay.journal.journal import Journal
from relay.settings import Settings
from relay.switch.simulator import Simulator
from tests.dialects.gws.face import Clock, Face
from tests.dialects.gws.playing import Play

Serve = Callable[..., Awaitable[Face]]


@pytest.fixture(scope="session")
def directory() -> Directory:
    """Give the demo directory."""
    return demo()


@pytest.fixture
async def serve(aiohttp_client: AiohttpClient, directory: Directory) -> AsyncIterator[Serve]:
    """Give a function that serves GWS in one more process, as it were, on a journal."""
    started: list[Detached] = []

    async def serving(
        journal: Journal, settings: Settings | None = None, switch: Simulator | None = None
    ) -> Face:
        clock, detached, ended = Clock(), Detached(), list[Principal]()

        async def logged_out(principal: Principal) -> None:
            ended.append(principal)

        started.append(detached)
        switch = switch or Simulator(directory.device, ring_timeout=60)
        control = Control(journal, directory, switch, now=clock)
        app = web.Application(middlewares=[errors_middleware({API: render_error}, render_error)])
        parts = Parts(
            control=control,
            journal=journal,
            directory=directory,
            detached=detached,
            settings=settings or Settings(),
            logged_out=logged_out,
            now=clock,
        )
        admission = add_routes(app, parts)
        return Face(await aiohttp_client(app), control, journal, clock, admission, ended)

    yield serving
    for detached in started:
        await detached.stop(5)


@pytest.fixture
async def face(serve: Serve, journal: Journal) -> Face:
    """Give GWS, served by one process on the empty store."""
    return await serve(journal)


@pytest.fixture
def play(face: Face) -> Play:
    """Give what users do over GWS, and hear of it."""
    return Play(face)
