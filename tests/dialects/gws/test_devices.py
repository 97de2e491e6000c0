"""What users set at their devices, and what it does to calls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.gws.face import JANES, JOHNS, Answer
from tests.dialects.gws.playing import Play

AT_JOHNS = f"/me/devices/{JOHNS}"


async def ask(play: Play, name: str, user: str = "john", path: str = AT_JOHNS, **parameters: Any) -> Answer:
    """Ask something of a device."""
    return await play.face.operate(path, name, user, **parameters)


async def shown(play: Play) -> dict[str, Any]:
    """Return John's device."""
    device: dict[str, Any] = (await play.face.get(AT_JOHNS, "john")).body["device"]
    return device


async def test_do_not_disturb(play: Play) -> None:
    """Callers find the device busy until it is off again; calls it places are not affected."""
    assert await ask(play, "DoNotDisturbOn") == (200, 0, {"statusCode": 0})
    device = await shown(play)
    assert (device["doNotDisturb"], device["capabilities"]) == ("On", ["DoNotDisturbOff", "ForwardCallsOn"])
    assert await play("jane", "Dial", destination="15002") == [
        "jane 1 Dialing",
        "john 1 Released",
        "jane 1 Released",
    ]
    assert await play("john", "Dial", destination="15000") == ["john 2 Dialing", "jane 2 Ringing"]
    assert (await ask(play, "DoNotDisturbOff")).code == 0
    assert (await shown(play))["doNotDisturb"] == "Off"
    assert await play("alex", "Dial", destination="15002") == ["alex 3 Dialing", "john 3 Ringing"]


@pytest.mark.parametrize("destination", ["15003", "220", {"phoneNumber": "15003"}])
async def test_forwarding(play: Play, destination: Any) -> None:
    """Calls ring where it leads, until it is off again."""
    assert (await ask(play, "ForwardCallsOn", destination=destination)).code == 0
    device = await shown(play)
    assert (device["forwardTo"], device["capabilities"]) == ("15003", ["DoNotDisturbOn", "ForwardCallsOff"])
    assert "alex 1 Ringing" in await play("jane", "Dial", destination="15002")
    assert (await ask(play, "ForwardCallsOff")).code == 0
    assert "forwardTo" not in await shown(play)
    assert "john 2 Ringing" in await play("jane", "Dial", destination="15002")


@pytest.mark.parametrize(
    ("name", "parameters", "code", "names"),
    [
        ("DoNotDisturbOff", {}, 2, "DoNotDisturbOn, ForwardCallsOn"),
        ("ForwardCallsOff", {}, 2, "DoNotDisturbOn, ForwardCallsOn"),
        ("ForwardCallsOn", {}, 1, "destination"),
        ("ForwardCallsOn", {"destination": "nobody"}, 2, "destination"),
        ("ForwardCallsOn", {"destination": "15002"}, 2, "destination"),
        ("Explode", {}, 2, "operationName"),
    ],
)
async def test_what_a_device_does_not_take_is_told(
    play: Play, name: str, parameters: dict[str, Any], code: int, names: str
) -> None:
    """And leaves the device as it was."""
    before = await shown(play)
    refused = await ask(play, name, **parameters)
    assert refused[:2] == (400, code)
    assert names in refused.body["statusMessage"]
    assert await shown(play) == before


async def test_only_ones_own_device_can_be_set(play: Play) -> None:
    """A colleague's and, for an admin too, anybody's is not permitted; another tenant's is unknown."""
    for user, refusal in (("jane", (403, 5)), ("admin", (403, 5)), ("mallory", (404, 6))):
        assert (await ask(play, "DoNotDisturbOn", user))[:2] == refusal
    assert (await ask(play, "DoNotDisturbOn", path=f"/devices/{JANES}"))[:2] == (403, 5)
