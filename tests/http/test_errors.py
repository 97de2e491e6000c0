"""Every exception is answered by the face that was asked."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from relay.errors import NotFoundError, StoreUnavailableError
from relay.http.errors import ANSWER_HEADERS, RenderError, errors_middleware
from relay.http.routing import with_either_slash

Client = TestClient[web.Request, web.Application]


def face(name: str) -> RenderError:
    """Return a renderer that says who it is and what it was given."""

    def render_error(request: web.Request, error: Exception) -> web.Response:
        status = error.status if isinstance(error, web.HTTPException) else 500
        status = 404 if isinstance(error, NotFoundError) else status
        status = 503 if isinstance(error, StoreUnavailableError) else status
        return web.json_response({"face": name, "error": type(error).__name__}, status=status)

    return render_error


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    """Give a client of a server with two faces, whose routes fail in every way."""

    async def fail(request: web.Request) -> web.StreamResponse:
        match request.match_info["how"]:
            case "refused":
                raise NotFoundError("gone")
            case "away":
                raise StoreUnavailableError("away", retry_after=7)
            case "left":
                assert request.transport is not None
                request.transport.close()
                await web.StreamResponse().prepare(request)
            case "reset":
                raise ConnectionResetError("somebody else's connection")
            case "wrong":
                raise ZeroDivisionError
            case "moved":
                raise web.HTTPFound("/elsewhere")
            case "large":
                raise web.HTTPRequestEntityTooLarge(1, 2)
            case "begun":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"some")
                raise ZeroDivisionError
        request[ANSWER_HEADERS] = {"X-Standing": "9"}
        if request.match_info["how"] == "marked":
            raise NotFoundError("gone")
        return web.Response(text="ok")

    faces = {"/one": face("one"), "/one/two": face("two")}
    app = web.Application(middlewares=[errors_middleware(faces, face("none"))])
    paths = ("/one/{how}", "/one/two/{how}", "/other/{how}", "/onemore/{how}")
    app.add_routes(with_either_slash([web.post(path, fail) for path in paths]))
    return await aiohttp_client(app)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/one/refused", "one"),
        ("/one/two/refused", "two"),
        ("/other/refused", "none"),
        ("/onemore/refused", "none"),
        ("/one/two/a/b/c", "two"),
        ("/one", "one"),
        ("/", "none"),
    ],
)
async def test_the_longest_prefix_answers(client: Client, path: str, name: str) -> None:
    """Also for paths that no route has; a prefix ends where a segment does."""
    response = await client.post(path)
    assert response.status == 404
    assert (await response.json())["face"] == name


async def test_a_wrong_method_is_told_the_right_ones(client: Client) -> None:
    """The face answers 405 in its own format, with the Allow header that HTTP demands."""
    response = await client.get("/one/refused")
    assert response.status == 405
    assert response.headers["Allow"] == "POST"
    assert (await response.json()) == {"face": "one", "error": "HTTPMethodNotAllowed"}


async def test_an_error_of_the_server_framework_gets_the_faces_format(client: Client) -> None:
    """Such as 413 of a body over the application's own limit."""
    response = await client.post("/one/large")
    assert (response.status, (await response.json())["error"]) == (413, "HTTPRequestEntityTooLarge")


async def test_what_is_away_says_when_to_come_back(client: Client) -> None:
    """Retry-After is the exception's."""
    response = await client.post("/one/away")
    assert (response.status, response.headers["Retry-After"]) == (503, "7")


async def test_an_unknown_exception_is_logged_and_answered(client: Client) -> None:
    """The log has the trace, the answer the face's format; neither has more of the request than its route."""
    with structlog.testing.capture_logs() as logs:
        response = await client.post("/one/wrong?secret=1")
    assert (response.status, (await response.json())["face"]) == (500, "one")
    (line,) = logs
    assert line == {
        "area": "http",
        "event": "a request failed",
        "exc_info": True,
        "log_level": "error",
        "method": "POST",
        "route": "/one/{how}",
    }


async def test_a_client_that_leaves_as_it_is_answered_is_nobodys_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither our log nor the server's complains that the head could not be written any more."""
    with structlog.testing.capture_logs() as logs, pytest.raises(ClientError):
        await client.post("/one/left")
    assert logs == []
    assert caplog.records == []


async def test_another_connection_that_breaks_is_an_error(client: Client) -> None:
    """The client is there, so it is answered, and what failed is logged."""
    with structlog.testing.capture_logs() as logs:
        response = await client.post("/one/reset")
    assert response.status == 500
    assert [line["event"] for line in logs] == ["a request failed"]


async def test_refusals_are_not_logged(client: Client) -> None:
    """What clients do wrong does not fill the log."""
    with structlog.testing.capture_logs() as logs:
        await client.post("/one/refused")
        await client.post("/nowhere")
        await client.post("/one/away")
    assert logs == []


async def test_a_redirect_is_no_error(client: Client) -> None:
    """It goes out as it was raised."""
    response = await client.post("/one/moved", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/elsewhere")


async def test_an_answer_that_has_begun_is_broken_off(client: Client) -> None:
    """A second answer inside the first would look like part of it."""
    with structlog.testing.capture_logs(), pytest.raises(ClientError):
        async with client.post("/one/begun") as response:
            await response.read()


@pytest.mark.parametrize(("how", "status"), [("fine", 200), ("marked", 404)])
async def test_some_headers_go_with_every_answer(client: Client, how: str, status: int) -> None:
    """Good or bad, the answer carries what the handler noted."""
    response = await client.post(f"/one/{how}")
    assert (response.status, response.headers["X-Standing"]) == (status, "9")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_trailing_slash_makes_no_difference(client: Client, slash: str) -> None:
    """Both spellings are the same route, without a redirect."""
    response = await client.post(f"/one/fine{slash}", allow_redirects=False)
    assert response.status == 200
    assert (await client.get(f"/one/fine{slash}")).status == 405


async def test_a_dropped_client_is_nobodys_error(aiohttp_client: AiohttpClient) -> None:
    """Cancellation passes through: there is nobody to answer."""
    cancelled = asyncio.Event()
    waiting = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    app = web.Application(middlewares=[errors_middleware({}, face("none"))])
    app.router.add_get("/", wait)
    client = await aiohttp_client(app, server_kwargs={"handler_cancellation": True})
    with structlog.testing.capture_logs() as logs:
        asking = asyncio.ensure_future(client.get("/"))
        await asyncio.wait_for(waiting.wait(), 5)
        asking.cancel()
        await asyncio.wait_for(cancelled.wait(), 5)
    assert logs == []
