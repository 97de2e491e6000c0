"""Every result code there is, with its HTTP status and the situations that lead to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from relay.calls.happenings import Step
from relay.dialects.gws.admission import POLICY
from relay.dialects.gws.envelope import HTTP_STATUS, StatusCode
from relay.directory.directory import Directory
from relay.errors import SwitchUnavailableError
from relay.journal.journal import Journal
from relay.settings import Settings
from relay.switch.protocol import Request
from relay.switch.simulator import Simulator
from tests.dialects.gws.conftest import Serve
from tests.dialects.gws.face import ACCOUNT, JANES, JOHNS, Answer, Face

PUBLISHED: Final = {
    0: 200, 1: 400, 2: 400, 3: 403, 4: 500, 5: 403, 6: 404, 7: 200, 10: 400, 20: 403,
}  # fmt: skip
"""Result code to HTTP status; the other published codes are of things that are not here."""

Situation = Callable[[Face], Awaitable[Answer]]


def _post(path: str, body: Any, user: str = "jane") -> Situation:
    return lambda face: face.post(path, body, user)


def _get(path: str, user: str = "jane") -> Situation:
    return lambda face: face.get(path, user)


def _on_call(name: str, user: str = "jane", **parameters: Any) -> Situation:
    async def ask(face: Face) -> Answer:
        return await face.operate(await face.dial(), name, user, **parameters)

    return ask


def _sent(data: bytes) -> Situation:
    headers = {"Authorization": "Bearer demo-jane", "Content-Type": "application/json"}
    return lambda face: face.request("POST", "/me", data=data, headers=headers)


def _session(*channels: str) -> Situation:
    return _post("/me", {"operationName": "StartContactCenterSession", "channels": channels})


VOICE = "/me/channels/voice"
SITUATIONS: Final[dict[str, tuple[Situation, int, int]]] = {
    "success": (_get("/me"), 200, 0),
    "not JSON": (_sent(b"{"), 400, 1),
    "no object": (_sent(b"[]"), 400, 1),
    "no operation": (_post(VOICE, {}), 400, 1),
    "unknown operation": (_post(VOICE, {"operationName": "Explode"}), 400, 2),
    "missing destination": (_on_call("SingleStepTransfer"), 400, 1),
    "missing digits": (_on_call("SendDtmf"), 400, 1),
    "missing participant": (_on_call("RemoveParticipantFromConference"), 400, 1),
    "missing key": (_on_call("DeleteUserDataPair"), 400, 1),
    "missing other call": (_on_call("SwapCalls"), 400, 1),
    "not listed": (_on_call("Hold"), 400, 2),
    "device is so already": (_post(f"/me/devices/{JANES}", {"operationName": "DoNotDisturbOff"}), 400, 2),
    "method not taken": (_post("/me/calls", {}), 405, 3),
    "call of another agent": (_on_call("Hangup", "alex"), 403, 5),
    "device of another agent": (_post(f"/me/devices/{JOHNS}", {"operationName": "DoNotDisturbOn"}), 403, 5),
    "unknown call": (_get("/me/calls/none"), 404, 6),
    "unknown device": (_get("/me/devices/none"), 404, 6),
    "unknown channel": (_get("/me/channels/chat"), 404, 6),
    "unknown resource": (_get("/nonsense"), 404, 6),
    "a part of the channels": (_session("voice", "chat"), 200, 7),
    "none of the channels": (_session("chat"), 400, 10),
    "too large": (_sent(b'"' + b"x" * 70_000 + b'"'), 413, 10),
    "nobody": (lambda face: face.request("GET", "/me"), 403, 20),
    "somebody else": (
        lambda face: face.request("GET", "/me", headers={"Authorization": "Bearer nobody"}), 403, 20,
    ),
}  # fmt: skip


def test_each_code_has_its_published_status() -> None:
    """One HTTP status for each code that is sent."""
    assert {code.value: status.value for code, status in HTTP_STATUS.items()} == PUBLISHED
    assert set(HTTP_STATUS) == set(StatusCode)


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_each_situation_has_its_code_and_status(face: Face, situation: str) -> None:
    """The body is the envelope: a message and nothing else where the code is an error."""
    ask, status, code = SITUATIONS[situation]
    face.client.session.cookie_jar.clear()
    assert (await ask(face))[:2] == (status, code)


class Failing(Simulator):
    """A switch that places calls and fails at whatever else it is asked."""

    def __init__(self, directory: Directory, error: Exception) -> None:
        super().__init__(directory.device, ring_timeout=60)
        self._error = error

    async def act(self, request: Request) -> tuple[Step, ...]:
        """Fail."""
        raise self._error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SwitchUnavailableError("the switch did not answer"), "the switch did not answer"),
        (ZeroDivisionError("a secret"), "Internal error"),
    ],
)
async def test_a_switch_that_fails_is_an_internal_error(
    serve: Serve, journal: Journal, directory: Directory, error: Exception, message: str
) -> None:
    """It failed before anything changed; what nobody meant to raise is not told."""
    face = await serve(journal, switch=Failing(directory, error))
    call = await face.dial()
    before = await face.kinds()
    assert await face.operate(call, "Hangup") == (500, 4, {"statusCode": 4, "statusMessage": message})
    assert await face.kinds() == before


async def test_a_process_that_stops_sends_its_clients_elsewhere(face: Face) -> None:
    """Commands are 503; what is read is still served."""
    call = await face.dial()
    face.control.drain()
    for path, name in ((call, "Hangup"), (VOICE, "Ready"), (f"/me/devices/{JANES}", "DoNotDisturbOn")):
        assert (await face.operate(path, name))[:2] == (503, 4)
    assert (await face.call(call))["state"] == "Dialing"


async def test_operations_are_counted_for_each_user_by_all_processes(serve: Serve, face: Face) -> None:
    """One too many is 429 and says when the next is taken; reading is not counted, nor is another user."""
    other = await serve(face.journal)
    for one in (face, other):
        await one.operate(VOICE, "Ready")
    key = face.journal.store.keys(ACCOUNT).rate(POLICY.scope, (await face.get("/me")).body["user"]["id"])
    assert await face.journal.store.call("GET", key) == b"2"
    await face.journal.store.call("SET", key, POLICY.quota, "KEEPTTL")
    body, headers = {"operationName": "NotReady"}, {"Authorization": "Bearer demo-jane"}
    async with other.client.post(f"/api/v2{VOICE}", json=body, headers=headers) as response:
        assert (response.status, (await response.json())["statusCode"]) == (429, 3)
        assert int(response.headers["Retry-After"]) in range(1, POLICY.window + 1)
        assert response.headers["RateLimit-Policy"] == '"gws";q=600;w=60'
    assert (await face.get(VOICE)).body["channel"]["userState"]["state"] == "Ready"
    assert (await face.operate(VOICE, "Ready", "john")).code == 0
    free = await serve(face.journal, Settings(rate_limits=False))
    assert (await free.operate(VOICE, "NotReady")).code == 0


def test_every_error_is_provoked_here_or_beside() -> None:
    """No code is left out: 4 is what fails behind the face, and 3 a missing CSRF token too."""
    assert {code for _, _, code in SITUATIONS.values()} == set(PUBLISHED) - {4}
