from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from relay.dialects.ringcentral.handshake import LARGEST_ANSWER
from relay.subscriptions.model import Status, Subscription
from tests.dialects.ringcentral.calls import ACCOUNT
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Answer, Face
from tests.dialects.ringcentral.hooks import TOKEN, Answering, Hooks, never, willing

EVERY = "/restapi/v1.0/subscription"
OWN = "/restapi/v1.0/account/~/extension/~/telephony/sessions"
LOCAL = "http://127.0.0.1/"
TRANSPORT = "deliveryMode.transportType"
VERIFICATION = "deliveryMode.verificationToken"
ALL = "/restapi/v1.0/account/~/telephony/sessions"
JANES = "/restapi/v1.0/account/400100000001/extension/400100000210/telephony/sessions"


def asked(address: str, *filters: str, **members: Any) -> dict[str, Any]:
    """Return the body that makes a subscription."""
    mode = {"transportType": "WebHook", "address": address, **members.pop("mode", {})}
    return {"eventFilters": list(filters or (OWN,)), "deliveryMode": mode, **members}


async def make(face: Face, hooks: Hooks, *filters: str, user: str = "jane", **members: Any) -> Answer:
    """Subscribe the receiver."""
    return await face.post(EVERY, asked(hooks.url(), *filters, **members), user)


async def stored(face: Face) -> list[Subscription]:
    """Return what is in the store."""
    return (await face.subscriptions.list(ACCOUNT, limit=1000)).subscriptions


async def test_a_subscription_is_answered_in_full(face: Face, hooks: Hooks) -> None:
    """200 with ids in place of ``~``, a life of seven days unless another is asked for, and no token."""
    answer = await make(face, hooks, OWN, mode={"verificationToken": "secret-of-ours"})
    assert answer.status == 200
    shown = answer.body
    assert str(uuid.UUID(shown["id"])) == shown["id"]
    assert shown["uri"] == f"http://127.0.0.1:8080{EVERY}/{shown['id']}"
    assert shown["status"] == "Active"
    assert shown["eventFilters"] == [JANES]
    assert shown["expiresIn"] in (604_799, 604_800)
    assert shown["deliveryMode"] == {
        "transportType": "WebHook", "encryption": False, "address": hooks.url(),
    }  # fmt: skip
    assert "secret-of-ours" not in str(shown)
    assert "disabledFilters" not in shown
    assert "blacklistedData" not in shown
    assert (await face.get(f"{EVERY}/{shown['id']}")).body | {"expiresIn": 0} == shown | {"expiresIn": 0}


async def test_the_address_is_asked_first(face: Face, hooks: Hooks) -> None:
    """One handshake with the published headers and an empty body comes before the answer."""
    await make(face, hooks)
    [handshake] = hooks.handshakes
    assert handshake.headers[TOKEN]
    assert handshake.headers["User-Agent"] == "RingCentral-Webhook/8.3"
    assert handshake.headers["Accept"] == "application/json"
    assert "Verification-Token" not in handshake.headers
    assert handshake.body == b""
    await make(face, hooks)
    assert hooks.handshakes[0].headers[TOKEN] != hooks.handshakes[1].headers[TOKEN]


def answering(status: int = 200, **options: Any) -> Answering:
    """Answer a handshake in some wrong way."""

    async def answer(request: web.Request) -> web.Response:
        echoed = options.get("echo", request.headers[TOKEN])
        headers = {} if echoed is None else {TOKEN: echoed}
        headers |= options.get("headers", {})
        return web.Response(status=status, headers=headers, body=options.get("body", b""))

    return answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (answering(echo=None), "SUB-520"),
        (answering(echo=""), "SUB-520"),
        (answering(echo="wrong"), "SUB-520"),
        (answering(201), "SUB-525"),
        (answering(204), "SUB-525"),
        (answering(302, headers={"Location": "/other"}), "SUB-525"),
        (answering(500), "SUB-525"),
        (answering(body=b"x" * LARGEST_ANSWER), "SUB-525"),
        (answering(body=b"x" * 100_000), "SUB-525"),
        (answering(headers={"X-Padding": "x" * LARGEST_ANSWER}), "SUB-525"),
        (never, "SUB-521"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_handshake_that_fails_leaves_nothing(
    face: Face, hooks: Hooks, answer: Answering, code: str
) -> None:
    """No echo, a wrong one, another status, too much, too slow: the named code, and nothing is made."""
    await face.token("jane")
    hooks.answers["/hook"] = answer
    before = await face.written()
    began = time.monotonic()
    refused = await make(face, hooks)
    assert (refused.status, refused.code) == (400, code)
    assert refused.body["parameterName"] == "deliveryMode.address"
    assert time.monotonic() - began < 10
    assert await face.written() == before
    assert len(hooks.handshakes) == 1


async def test_an_answer_of_the_largest_size_is_taken(face: Face, hooks: Hooks) -> None:
    """Up to 1024 bytes with its head, an answer may say what it likes."""
    hooks.answers["/hook"] = answering(body=b"x" * 700)
    assert (await make(face, hooks)).status == 200


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1:1/", "SUB-521"),
        ("https://127.0.0.1:1/", "SUB-521"),
        ("http://93.184.216.34/hook", "SUB-523"),
        ("http://no-such-host.invalid/hook", "SUB-523"),
        ("https://no-such-host.invalid/hook", "SUB-521"),
        ("https://10.0.0.1/hook", "CMN-101"),
        ("http://169.254.169.254/latest/meta-data", "CMN-101"),
        ("http://[::1]/hook", "CMN-101"),
        ("ftp://127.0.0.1/", "CMN-101"),
        ("nonsense", "CMN-101"),
        ("http://user:password@127.0.0.1/", "CMN-101"),
        ("", "CMN-101"),
    ],
)
async def test_an_address_that_cannot_be_used(face: Face, address: str, code: str) -> None:
    """Unreachable, not encrypted although public, inside the network, or no URL: nothing is made."""
    await face.token("jane")
    before = await face.written()
    answer = await face.post(EVERY, asked(address))
    assert (answer.status, answer.code, answer.body["parameterName"]) == (400, code, "deliveryMode.address")
    assert await face.written() == before


async def test_a_certificate_that_cannot_be_trusted(face: Face, hooks: Hooks) -> None:
    """Where plain HTTP answers a TLS handshake there is no valid certificate."""
    answer = await face.post(EVERY, asked(hooks.url().replace("http:", "https:")))
    assert (answer.status, answer.code) == (400, "SUB-524")


@pytest.mark.parametrize(
    ("body", "code", "parameter"),
    [
        ({}, "CMN-101", None),
        ({"eventFilters": [OWN]}, "CMN-101", "deliveryMode"),
        ({"eventFilters": OWN, "deliveryMode": {"transportType": "WebHook"}}, "CMN-101", "eventFilters"),
        ({"eventFilters": [7], "deliveryMode": {"transportType": "WebHook"}}, "CMN-101", "eventFilters.0"),
        (asked(LOCAL, mode={"transportType": None}), "CMN-101", TRANSPORT),
        (
            asked(LOCAL, mode={"transportType": "PubNub"}),
            "CMN-101",
            TRANSPORT,
        ),
        (
            asked(LOCAL, mode={"transportType": "WebSocket"}),
            "CMN-101",
            TRANSPORT,
        ),
        (asked(LOCAL, mode={"address": None}), "CMN-101", "deliveryMode.address"),
        (
            asked(LOCAL, mode={"verificationToken": "a\nb"}),
            "CMN-101",
            VERIFICATION,
        ),
        (
            asked(LOCAL, mode={"verificationToken": ""}),
            "CMN-101",
            VERIFICATION,
        ),
        (asked(LOCAL, expiresIn=0), "CMN-101", "expiresIn"),
        (asked(LOCAL, expiresIn=630_720_001), "CMN-101", "expiresIn"),
        (asked(LOCAL, expiresIn="soon"), "CMN-101", "expiresIn"),
        (asked(LOCAL, expiresIn=True), "CMN-101", "expiresIn"),
        (asked(LOCAL, "nonsense"), "SUB-508", None),
        (asked(LOCAL, ALL), "SUB-508", None),
        ({**asked(LOCAL), "eventFilters": []}, "SUB-508", None),
        (asked(LOCAL, *([OWN] * 51)), "SUB-508", None),
        (asked(LOCAL, f"{EVERY}/~?threshold=60&interval=60"), "SUB-516", None),
        (asked(LOCAL, f"{EVERY}/~?threshold=60&interval=15", expiresIn=100), "SUB-516", None),
    ],
)
async def test_a_request_that_cannot_be_met(
    face: Face, body: dict[str, Any], code: str, parameter: str | None
) -> None:
    """What is wrong is named, and neither is anybody asked nor anything made."""
    await face.token("jane")
    before = await face.written()
    answer = await face.post(EVERY, body)
    assert (answer.status, answer.code) == (400, code)
    if parameter is not None:
        assert answer.body["parameterName"] == parameter
    assert await face.written() == before


async def test_the_transport_is_read_in_any_case(face: Face, hooks: Hooks) -> None:
    """One page of the guide spells it Webhook."""
    assert (await make(face, hooks, mode={"transportType": "Webhook"})).status == 200


async def test_filters_that_are_not_ones_own_are_disabled(face: Face, hooks: Hooks) -> None:
    """As long as one filter can be followed, the others are told beside it, each once."""
    answer = await make(face, hooks, ALL, OWN, JANES, "nonsense")
    assert answer.body["eventFilters"] == [JANES]
    told = [(one["filter"], one["reason"]) for one in answer.body["disabledFilters"]]
    assert told == [(ALL, "SUB-406"), ("nonsense", "SUB-508")]
    assert all(one["message"] for one in answer.body["disabledFilters"])
    for path in (f"{EVERY}/{answer.body['id']}", EVERY):
        read = (await face.get(path)).body
        [shown] = read.get("records", [read])
        assert shown["disabledFilters"] == answer.body["disabledFilters"]
    renewed = (await face.post(f"{EVERY}/{answer.body['id']}/renew")).body
    assert renewed["disabledFilters"] == answer.body["disabledFilters"]


async def test_an_admin_follows_the_whole_account(face: Face, hooks: Hooks) -> None:
    """Account level is resolved to the account's id, from either spelling."""
    answer = await make(face, hooks, "/restapi/v1.0/account/telephony/sessions", user="admin")
    assert answer.body["eventFilters"] == ["/restapi/v1.0/account/400100000001/telephony/sessions"]


async def test_each_user_sees_the_own_ones(face: Face, hooks: Hooks) -> None:
    """The list has what the user made; another's is not found, whoever asks."""
    one, other = (await make(face, hooks)).body["id"], (await make(face, hooks)).body["id"]
    await make(face, hooks, user="john")
    listed = (await face.get(EVERY)).body
    assert listed["uri"] == f"http://127.0.0.1:8080{EVERY}"
    assert [record["id"] for record in listed["records"]] == [one, other]
    for user in ("john", "admin", "mallory"):
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/renew")):
            answer = await face.request(method, f"{EVERY}/{one}{path}", user)
            assert (answer.status, answer.code) == (404, "CMN-102")
            assert answer.body["parameterName"] == "subscriptionId"
    assert len(await stored(face)) == 3


@pytest.mark.parametrize("id_", [str(uuid.UUID(int=7)), "x", "sub_1", "0" * 32, "%00"])
async def test_a_subscription_that_is_not_there(face: Face, id_: str) -> None:
    """An unknown id, and what is none, are not found."""
    answer = await face.get(f"{EVERY}/{id_}")
    assert (answer.status, answer.code) == (404, "CMN-102")


async def test_a_deleted_subscription_is_gone(face: Face, hooks: Hooks) -> None:
    """204 without a body, then 404."""
    id_ = (await make(face, hooks)).body["id"]
    answer = await face.request("DELETE", f"{EVERY}/{id_}/")
    assert (answer.status, answer.body) == (204, None)
    assert (await face.request("DELETE", f"{EVERY}/{id_}")).status == 404
    assert await stored(face) == []


async def test_renewing_begins_its_life_anew(face: Face, hooks: Hooks) -> None:
    """Renewal gives the life it was made with, without asking the address again."""
    made = (await make(face, hooks, expiresIn=1000)).body
    [one] = await stored(face)
    await age(face, one, seconds=400)
    assert (await face.get(f"{EVERY}/{made['id']}")).body["expiresIn"] in (599, 600)
    for headers in ({"Content-Type": "application/json"}, {}):
        answer = await face.request("POST", f"{EVERY}/{made['id']}/renew", headers=headers)
        assert (answer.status, answer.body["expiresIn"] in (999, 1000)) == (200, True)
    assert (await face.post(f"{EVERY}/{made['id']}/renew", {})).status == 200
    assert len(hooks.handshakes) == 1


async def age(face: Face, one: Subscription, seconds: int) -> None:
    """Let a subscription be so much closer to its end."""
    await face.subscriptions.change(
        ACCOUNT, one.id, lambda found: replace(found, expires_at=(found.expires_at or 0) - seconds * 1000)
    )


async def test_updating_changes_filters_and_life(face: Face, hooks: Hooks) -> None:
    """Filters are replaced, the address stays; an empty body renews for the default life."""
    id_ = (await make(face, hooks, OWN, expiresIn=1000)).body["id"]
    changed = await face.request(
        "PUT",
        f"{EVERY}/{id_}",
        json={
            "eventFilters": [f"{OWN}?direction=Inbound", ALL],
            "expiresIn": 2000,
            "deliveryMode": {"address": "x"},
        },
    )
    assert changed.body["eventFilters"] == [f"{JANES}?direction=Inbound"]
    assert [one["filter"] for one in changed.body["disabledFilters"]] == [ALL]
    assert changed.body["expiresIn"] in (1999, 2000)
    assert changed.body["deliveryMode"]["address"] == hooks.url()
    renewed = await face.request("PUT", f"{EVERY}/{id_}", headers={"Content-Type": "application/json"})
    assert renewed.body["eventFilters"] == [f"{JANES}?direction=Inbound"]
    assert renewed.body["expiresIn"] in (604_799, 604_800)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"eventFilters": []}, "SUB-508"),
        ({"eventFilters": ["nonsense"]}, "SUB-508"),
        ({"eventFilters": "x"}, "CMN-101"),
        ({"expiresIn": 0}, "CMN-101"),
        ({"eventFilters": [f"{EVERY}/~?threshold=60&interval=15"], "expiresIn": 60}, "SUB-516"),
    ],
)
async def test_an_update_that_cannot_be_made_changes_nothing(
    face: Face, hooks: Hooks, body: dict[str, Any], code: str
) -> None:
    """The subscription goes on as it was."""
    id_ = (await make(face, hooks)).body["id"]
    before = await stored(face)
    answer = await face.request("PUT", f"{EVERY}/{id_}", json=body)
    assert (answer.status, answer.code) == (400, code)
    assert await stored(face) == before


async def test_an_expired_subscription_is_gone(face: Face, hooks: Hooks) -> None:
    """Once its life is over nothing finds it any more, whether or not it was cleared away."""
    id_ = (await make(face, hooks, expiresIn=60)).body["id"]
    [one] = await stored(face)
    await age(face, one, seconds=60)
    assert (await face.get(f"{EVERY}/{id_}")).status == 404
    assert (await face.post(f"{EVERY}/{id_}/renew")).status == 404
    assert (await face.get(EVERY)).body["records"] == []


async def test_thirty_subscriptions_are_the_most(face: Face, hooks: Hooks) -> None:
    """A user's thirty-first through one app is refused before anybody is asked; a deletion makes room."""
    made = await asyncio.gather(*(make(face, hooks) for _ in range(30)))
    assert [answer.status for answer in made] == [200] * 30
    refused = await make(face, hooks)
    assert (refused.status, refused.code) == (403, "SUB-505")
    assert len(hooks.handshakes) == 30
    await face.request("DELETE", f"{EVERY}/{made[0].body['id']}")
    assert (await make(face, hooks)).status == 200
    assert (await make(face, hooks, user="john")).status == 200


async def test_thirty_are_the_most_for_all_processes_at_once(serve: Serve, hooks: Hooks) -> None:
    """However many are asked for at the same moment, wherever, no more than thirty are left."""
    one, other = await serve(), await serve()
    await one.token("jane")
    await other.token("jane")
    answers = await asyncio.gather(*(make(face, hooks) for face in (one, other) * 17))
    assert len(await stored(one)) == 30
    assert sorted(answer.status for answer in answers) == [200] * 30 + [403] * 4


async def blacklist(face: Face, one: Subscription) -> None:
    """Let a subscription be blacklisted."""
    await face.subscriptions.disable(ACCOUNT, one.id, "I/O operation is failed. Details: [Read timed out]")


@pytest.mark.parametrize("how", ["PUT", "renew"])
async def test_a_blacklisted_subscription_shakes_hands_again(face: Face, hooks: Hooks, how: str) -> None:
    """It says since when and why; a renewal or update makes it active if its address answers again."""
    id_ = (await make(face, hooks)).body["id"]
    [one] = await stored(face)
    await blacklist(face, one)
    shown = (await face.get(f"{EVERY}/{id_}")).body
    assert shown["status"] == "Blacklisted"
    assert shown["blacklistedData"]["reason"] == "I/O operation is failed. Details: [Read timed out]"
    assert shown["blacklistedData"]["blacklistedAt"].endswith("Z")
    method, path = ("PUT", f"{EVERY}/{id_}") if how == "PUT" else ("POST", f"{EVERY}/{id_}/renew")

    hooks.answers["/hook"] = answering(500)
    answer = await face.request(method, path)
    assert (answer.status, answer.code) == (400, "SUB-525")
    assert (await stored(face))[0].status is Status.DISABLED

    hooks.answers["/hook"] = willing
    answer = await face.request(method, path)
    assert (answer.status, answer.body["status"]) == (200, "Active")
    assert "blacklistedData" not in answer.body
    assert len(hooks.handshakes) == 3
