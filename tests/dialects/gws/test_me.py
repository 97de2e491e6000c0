from __future__ import annotations

import pytest

from tests.dialects.gws.face import BASE, JANES, JOHNS, Face


async def test_the_user_is_shown_with_links_to_what_is_theirs(face: Face) -> None:
    """Without subresources, devices and calls are URIs; the members come in the known order."""
    call = await face.dial()
    answer = await face.get("/me/")
    user = answer.body["user"]
    assert list(user) == [
        "id", "userName", "firstName", "lastName", "emailAddress", "roles", "enabled", "devices", "calls",
        "changePasswordOnFirstLogin", "uri", "path",
    ]  # fmt: skip
    assert (user["userName"], user["firstName"], user["roles"]) == ("jane", "Jane", ["ROLE_AGENT"])
    assert len(user["id"]) == 32
    assert user["devices"] == [f"{BASE}/devices/{JANES}"]
    assert user["calls"] == [f"{BASE}{call}"]
    assert (await face.get("/me", "admin")).body["user"]["roles"] == ["ROLE_ADMIN"]


async def test_children_are_shown_in_full_where_they_are_asked_for(face: Face) -> None:
    """Clients that recover or log in find devices, calls, channels, features and settings inline."""
    await face.dial()
    user = (await face.get("/me?subresources=features,devices,channels,settings,interactions,nope")).body[
        "user"
    ]
    assert (user["devices"][0]["id"], user["devices"][0]["phoneNumber"]) == (JANES, "15000")
    assert isinstance(user["calls"][0], str)
    assert (user["settings"], user["interactions"]) == ({}, [])
    assert user["features"][0]["id"] == "api-voice"
    assert user["channels"][0]["channel"] == "voice"
    assert "nope" not in user
    everything = (await face.get("/me?subresources=*")).body["user"]
    assert everything["calls"] == await face.calls()
    assert {"devices", "settings", "channels", "features", "chats", "emails"} <= set(everything)


async def test_fields_select_members_of_the_user(face: Face) -> None:
    """Fields leave only what they name, beside the children that are asked for."""
    answer = await face.get("/me?fields=userName,id&subresources=settings")
    assert list(answer.body["user"]) == ["id", "userName", "settings"]


async def test_devices_are_listed_and_read(face: Face) -> None:
    """A list is of URIs, or of whole devices with fields; each device can be read at either of its URIs."""
    assert (await face.get("/me/devices")).body["uris"] == [f"{BASE}/devices/{JANES}"]
    [device] = (await face.get("/me/devices/?fields=*")).body["devices"]
    assert (device["id"], device["deviceState"], device["e164Number"]) == (JANES, "Active", "")
    assert (device["channels"], device["doNotDisturb"]) == (["voice"], "Off")
    assert device["capabilities"] == ["DoNotDisturbOn", "ForwardCallsOn"]
    assert (await face.get("/me/devices?fields=id&phoneNumber=1")).body["devices"] == []
    for path in (f"/me/devices/{JANES}", f"/devices/{JANES}/"):
        assert (await face.get(path)).body == {"statusCode": 0, "device": device}
    assert (await face.get("/me/devices", "admin")).body["uris"] == []


async def test_anothers_device_is_an_admins_to_read(face: Face) -> None:
    """A colleague's device is not permitted, another tenant's unknown; an admin reads the account's."""
    assert (await face.get(f"/me/devices/{JOHNS}"))[:2] == (403, 5)
    assert (await face.get(f"/me/devices/{JOHNS}", "admin")).body["device"]["phoneNumber"] == "15002"
    assert (await face.get(f"/me/devices/{JOHNS}", "mallory"))[:2] == (404, 6)


@pytest.mark.parametrize(
    "body",
    [
        {"operationName": "StartContactCenterSession", "channels": ["voice"]},
        {
            "operationName": "StartContactCenterSession",
            "channels": ["voice"],
            "place": "P1",
            "loginCode": None,
            "queue": "7000",
            "devicePath": f"/devices/{JANES}",
        },
        {"operationName": "EndContactCenterSession"},
    ],
)
async def test_a_working_session_starts_and_ends(face: Face, body: dict[str, object]) -> None:
    """What clients send at login and logout is accepted, whatever else they send along."""
    assert await face.post("/me", body) == (200, 0, {"statusCode": 0})


async def test_a_session_on_some_unknown_channels_starts_in_part(face: Face) -> None:
    """Channels relay lacks fail one by one beside voice, and as a whole without it."""
    start = {"operationName": "StartContactCenterSession", "channels": ["voice", "chat"]}
    answer = await face.post("/me", start)
    assert answer[:2] == (200, 7)
    assert answer.body["succeeded"] == [{"statusCode": 0, "channel": "voice"}]
    assert [(one["statusCode"], one["channel"]) for one in answer.body["failed"]] == [(10, "chat")]
    assert (await face.post("/me", {**start, "channels": ["chat", "email"]}))[:2] == (400, 10)


async def test_the_version_is_everybodys_to_read(face: Face) -> None:
    """Clients read the version before they log in."""
    answer = await face.request("GET", "/diagnostics/version")
    assert answer == (200, 0, {"statusCode": 0, "version": "8.5.202.96"})
