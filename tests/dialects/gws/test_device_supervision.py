"""Supervision asked of the supervisor's device: from the next call on, of which both are told."""

from __future__ import annotations

from typing import Any

import pytest

from relay.directory.directory import Directory
from relay.directory.loading import load
from tests.dialects.gws.face import BASE, JANES, JOHNS, Answer
from tests.dialects.gws.playing import USERS, Play
from tests.harness.demo import with_a_supervisor

ALEXS = USERS["alex"][1]
JANE = f"{BASE}/devices/{JANES}"
SWITCHES = ["DoNotDisturbOn", "ForwardCallsOn"]
SUPERVISION = ["ListenIn", "Coach", "BargeIn"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    """Give the demo directory with Alex as a supervisor."""
    return load(with_a_supervisor(tmp_path_factory.mktemp("directory")))


async def ask(play: Play, name: str, user: str = "alex", device: str = ALEXS, **parameters: Any) -> Answer:
    """Ask something of a device."""
    return await play.face.operate(f"/me/devices/{device}", name, user, **parameters)


async def shown(play: Play, user: str = "alex") -> dict[str, Any]:
    """Return a user's device."""
    device: dict[str, Any] = (await play.face.get(f"/me/devices/{USERS[user][1]}", user)).body["device"]
    return device


@pytest.mark.parametrize(
    ("name", "muted", "seen"), [("ListenIn", "On", False), ("Coach", "On", False), ("BargeIn", "Off", True)]
)
async def test_a_supervisor_is_in_the_next_call(play: Play, name: str, muted: str, seen: bool) -> None:
    """As it was asked; the device says whose calls, and both calls say that somebody takes part."""
    assert (await ask(play, name, targetDeviceUri=JANE)).body == {"statusCode": 0}
    device = await shown(play)
    assert device["capabilities"] == [*SWITCHES, *SUPERVISION, "CancelSupervisorMonitoring"]
    assert device["supervisorMonitoringState"] == {
        "state": name, "mode": "AllCalls", "scope": "Call", "targetDeviceUri": JANE,
    }  # fmt: skip
    await play("jane", "Dial", destination="15002")
    assert "alex 1 Established" in await play("john", "Answer", 1)
    mine = await play.face.call(f"/me/calls/{play.calls[0]}", "alex")
    hers = await play.face.call(f"/me/calls/{play.calls[0]}", "jane")
    assert (mine["monitoring"], mine["mute"], mine["supervisorListeningIn"]) == (True, muted, False)
    assert (hers["monitoring"], hers["supervisorListeningIn"]) == (False, True)
    assert mine["supervisorMonitoringState"] == hers["supervisorMonitoringState"] == {"state": name}
    assert ("15003" in {one["phoneNumber"] for one in hers["participants"]}) is seen
    his = await play.face.call(f"/me/calls/{play.calls[0]}", "john")
    assert "supervisorMonitoringState" not in his


async def test_supervision_is_cancelled(play: Play) -> None:
    """Calls under way go on; those to come have nobody in them."""
    assert (await shown(play))["capabilities"] == [*SWITCHES, *SUPERVISION]
    assert (await ask(play, "CancelSupervisorMonitoring"))[:2] == (400, 2)
    await ask(play, "Coach", targetDeviceUri=JANE)
    assert (await ask(play, "CancelSupervisorMonitoring")).code == 0
    device = await shown(play)
    assert device["capabilities"] == [*SWITCHES, *SUPERVISION]
    assert "supervisorMonitoringState" not in device
    await play.talk()
    assert await play.face.calls("alex") != []  # an admin sees the account's
    assert "supervisorMonitoringState" not in await play.face.call(f"/me/calls/{play.calls[0]}", "jane")


async def test_the_next_call_only(play: Play) -> None:
    """One call, after which the supervision is over."""
    await ask(
        play, "ListenIn", phoneNumber="15000",
        supervisorMonitoringMode="NextCall", supervisorMonitoringScope="Agent", targetDeviceUri=None,
    )  # fmt: skip
    monitoring = (await shown(play))["supervisorMonitoringState"]
    assert (monitoring["mode"], monitoring["scope"]) == ("NextCall", "Agent")
    await play.talk()
    assert (await play.face.call(f"/me/calls/{play.calls[0]}", "jane"))["supervisorListeningIn"] is True
    assert "supervisorMonitoringState" not in await shown(play)


async def test_another_supervision_takes_the_place_of_the_first(play: Play) -> None:
    """Without a cancellation in between."""
    await ask(play, "ListenIn", targetDeviceUri=JANE)
    await ask(play, "BargeIn", targetDeviceUri=f"/devices/{JOHNS}/")
    monitoring = (await shown(play))["supervisorMonitoringState"]
    assert (monitoring["state"], monitoring["targetDeviceUri"]) == ("BargeIn", f"{BASE}/devices/{JOHNS}")


@pytest.mark.parametrize(
    ("user", "device", "name", "parameters", "status", "code", "named"),
    [
        ("alex", ALEXS, "ListenIn", {}, 400, 1, "targetDeviceUri"),
        ("alex", ALEXS, "ListenIn", {"targetDeviceUri": None}, 400, 1, "targetDeviceUri"),
        ("alex", ALEXS, "ListenIn", {"targetDeviceUri": 5}, 400, 2, "targetDeviceUri"),
        ("alex", ALEXS, "ListenIn", {"targetDeviceUri": "/devices/none"}, 400, 2, "targetDeviceUri"),
        ("alex", ALEXS, "ListenIn", {"targetDeviceUri": f"/devices/{ALEXS}"}, 400, 2, "targetDeviceUri"),
        ("alex", ALEXS, "ListenIn", {"phoneNumber": "25000"}, 400, 2, "phoneNumber"),
        (
            "alex", ALEXS, "Coach", {"targetDeviceUri": JANE, "supervisorMonitoringScope": "All"},
            400, 2, "supervisorMonitoringScope",
        ),
        (
            "alex", ALEXS, "Coach", {"targetDeviceUri": JANE, "supervisorMonitoringMode": 1},
            400, 2, "supervisorMonitoringMode",
        ),
        ("jane", JANES, "ListenIn", {"targetDeviceUri": f"/devices/{JOHNS}"}, 403, 5, ""),
        ("jane", JANES, "CancelSupervisorMonitoring", {}, 403, 5, ""),
        ("alex", JANES, "ListenIn", {"targetDeviceUri": f"/devices/{JOHNS}"}, 403, 5, ""),
        ("admin", JANES, "ListenIn", {"targetDeviceUri": f"/devices/{JOHNS}"}, 403, 5, ""),
    ],
)  # fmt: skip
async def test_what_cannot_be_supervised_is_refused(
    play: Play,
    user: str,
    device: str,
    name: str,
    parameters: dict[str, Any],
    status: int,
    code: int,
    named: str,
) -> None:
    """Who may not, whose device it is not, and what does not name another's device; nothing changes."""
    refused = await ask(play, name, user, device, **parameters)
    assert refused[:2] == (status, code)
    assert named in refused.body["statusMessage"]
    assert "supervisorMonitoringState" not in await shown(play)


async def test_a_disposition_is_noted_at_the_device(play: Play) -> None:
    """By either name of the call: told while it lives, and noted in silence once it is released."""
    await play.talk()
    noted = {"disposition": "Sold", "dispositionKey": "Result"}
    assert (await ask(play, "SetCallDisposition", "jane", JANES, callUri=play.uri(1), **noted)).code == 0
    assert await play.hear() == ["jane 1 AttachedDataChanged", "john 1 AttachedDataChanged"]
    assert play.last("jane")["userData"] == {"Result": "Sold"}
    await play("jane", "Hangup", 1)
    late = {"callUri": None, "callUuid": play.calls[0], "disposition": "Returned"}
    assert (await ask(play, "SetCallDisposition", "john", JOHNS, **late)).code == 0
    assert await play.hear() == []
    user_data = (await play.face.call(f"/me/calls/{play.calls[0]}"))["userData"]
    assert user_data == {"Result": "Sold", "DispositionCode": "Returned"}


@pytest.mark.parametrize(
    ("user", "device", "parameters", "status", "code"),
    [
        ("jane", JANES, {"disposition": "Sold"}, 400, 1),
        ("jane", JANES, {"callUri": "CALL"}, 400, 1),
        ("jane", JANES, {"callUri": "nonsense", "disposition": "Sold"}, 400, 2),
        ("alex", ALEXS, {"callUri": "CALL", "disposition": "Sold"}, 400, 2),
        ("jane", JOHNS, {"callUri": "CALL", "disposition": "Sold"}, 403, 5),
        ("admin", JOHNS, {"callUri": "CALL", "disposition": "Sold"}, 403, 5),
        ("jane", "none", {"callUri": "CALL", "disposition": "Sold"}, 404, 6),
        ("mallory", JOHNS, {"callUri": "CALL", "disposition": "Sold"}, 404, 6),
    ],
)
async def test_a_disposition_is_of_a_call_at_ones_own_device(
    play: Play, user: str, device: str, parameters: dict[str, Any], status: int, code: int
) -> None:
    """Anything else is refused and not told."""
    await play.talk()
    await play.hear()
    parameters = {name: play.uri(1) if value == "CALL" else value for name, value in parameters.items()}
    assert (await ask(play, "SetCallDisposition", user, device, **parameters))[:2] == (status, code)
    assert await play.hear() == []
