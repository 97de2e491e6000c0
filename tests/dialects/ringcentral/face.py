"""What the demo's users do over RingCentral, and what is left of it in the journal."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy

from relay.control import Control
from relay.dialects.ringcentral.notifications import renderer
from relay.dialects.ringcentral.oauth import JWT
from relay.dialects.ringcentral.sockets.endpoint import Sockets
from relay.dialects.ringcentral.sockets.stats import SocketStats
from relay.journal.commit import Timer
from relay.journal.journal import Journal
from relay.journal.record import RecordKind
from relay.subscriptions.store import Subscriptions
from tests.dialects.ringcentral.calls import ACCOUNT, IDENTITIES, JOHN, brief

Client = TestClient[web.Request, web.Application]

APP: Final = {"Authorization": encode_basic_auth("demo-client", "demo-secret")}
"""Headers by which the demo's app proves itself."""


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_763_717_404_218

    def __call__(self) -> int:
        """Return milliseconds since the epoch."""
        return self.now


class Answer(NamedTuple):
    """One response."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def code(self) -> str:
        """The innermost error code."""
        return str(self.body["errors"][0]["errorCode"])


class Face:
    """RingCentral of one process."""

    def __init__(
        self,
        client: Client,
        control: Control,
        journal: Journal,
        clock: Clock,
        sockets: Sockets,
        subscriptions: Subscriptions,
        stats: SocketStats,
    ) -> None:
        self.client = client
        self.sockets = sockets
        self.subscriptions = subscriptions
        self.stats = stats
        self.control = control
        self.journal = journal
        self.clock = clock
        self._tokens: dict[str, str] = {}

    async def request(self, method: str, path: str, user: str | None = "jane", **options: Any) -> Answer:
        """Send a request as a user, or as nobody; a path without the API's beginning is below the account."""
        headers = {"Authorization": f"bearer {await self.token(user)}"} if user else {}
        headers |= options.pop("headers", {})
        if not path.startswith("/restapi"):
            path = f"/restapi/v1.0/account/~{path}"
        async with self.client.request(method, path, headers=headers, **options) as response:
            text = await response.text()
            answer = Answer(response.status, msgspec.json.decode(text or "null"), response.headers)
        assert answer.headers["RCRequestId"]
        if text:
            assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
        if answer.status >= 400:
            _check_error(answer)
        return answer

    async def get(self, path: str, user: str | None = "jane") -> Answer:
        """Read something as a user."""
        return await self.request("GET", path, user)

    async def post(self, path: str, body: Any = None, user: str | None = "jane") -> Answer:
        """Post JSON as a user, or nothing but its content type, as the published SDKs do."""
        if body is None:
            return await self.request("POST", path, user, headers={"Content-Type": "application/json"})
        return await self.request("POST", path, user, json=body)

    async def oauth(self, path: str = "token", **form: Any) -> Answer:
        """Ask the token endpoints something as the demo's app."""
        return await self.request("POST", f"/restapi/oauth/{path}", None, data=form, headers=APP)

    async def login(self, user: str = "jane") -> dict[str, Any]:
        """Log in by JWT, and return the tokens."""
        answer = await self.oauth(grant_type=JWT, assertion=f"demo-{user}")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    async def token(self, user: str) -> str:
        """Return a user's access token, by which it stays logged in."""
        if user not in self._tokens:
            self._tokens[user] = (await self.login(user))["access_token"]
        return self._tokens[user]

    async def call_out(self, user: str = "jane", device: str = "", **to: str) -> dict[str, Any]:
        """Place a call from the user's device, and return the session."""
        from_ = {"deviceId": device} if device else {"extensionId": _EXTENSIONS[user]}
        answer = await self.post("/telephony/call-out", {"from": from_, "to": to}, user)
        assert answer.status == 201, answer.body
        return dict(answer.body["session"])

    async def talk(self) -> dict[str, Any]:
        """Have jane call john and john answer; return the session as it is then."""
        session = await self.call_out("jane", extensionNumber="200")
        path = f"/telephony/sessions/{session['id']}"
        answer = await self.post(
            f"{path}/parties/{session['parties'][1]['id']}/answer", {"deviceId": JOHN.device_id}, "john"
        )
        assert answer.status == 200, answer.body
        return dict((await self.get(path)).body)

    async def ask(self, party: dict[str, Any], what: str, body: Any = None, user: str = "jane") -> Answer:
        """Ask something of a party by POST."""
        return await self.post(f"{path_of(party)}/{what}", body, user)

    async def party(self, party: dict[str, Any], user: str = "jane") -> dict[str, Any]:
        """Return a party as it is now."""
        return dict((await self.get(path_of(party), user)).body)

    async def notifications(self, session: str | None = None) -> list[dict[str, Any]]:
        """Return each notification about the account's calls, or about one session."""
        page = await self.journal.history(ACCOUNT, None, limit=1000)
        shown = [_render(entry.id, entry.event) for entry in page.entries if entry.kind is RecordKind.CALL]
        told = [msgspec.json.decode(one.body) for one in shown if one is not None]
        return [one for one in told if session in (None, one["body"]["telephonySessionId"])]

    async def trace(self, session: str | None = None) -> list[str]:
        """Return one line for each notification of the account, or of one session."""
        return [brief(one) for one in await self.notifications(session)]

    async def elapse(self) -> None:
        """Let the timers fall due that there are now."""
        keys = self.journal.store.keys(ACCOUNT)
        for member in await self.journal.store.call("ZRANGE", keys.timers, 0, -1):
            timer = msgspec.json.decode(member, type=Timer)
            self.clock.now = max(self.clock.now, timer.due)
            await self.control.elapse(keys.partition, timer)

    async def written(self) -> list[str]:
        """Return the last id of every partition, and every key but tokens and those that count requests."""
        store = self.journal.store
        ids = [await self.journal.last_id(partition) for partition in range(store.partitions)]
        keys = [key.decode() for key in await store.call("KEYS", "relay:*")]
        return ids + sorted(key for key in keys if ":rate:" not in key and ":token:" not in key)


_render = renderer(IDENTITIES)
_EXTENSIONS: Final = {"jane": "400100000210", "john": "400100000200", "alex": "400100000220"}


def path_of(party: dict[str, Any]) -> str:
    """Return a party's path below the account."""
    session = party["id"].replace("p-", "s-").rpartition("-")[0]
    return f"/telephony/sessions/{session}/parties/{party['id']}"


def _check_error(answer: Answer) -> None:
    """Check that an error has the published form: code and message at the top, and again inside."""
    body = answer.body
    [inner] = body["errors"]
    assert inner["message"]
    if "error" in body:
        assert body["error_description"] == inner["message"]
    else:
        assert body["message"] == inner["message"]
        assert body["errorCode"]
        assert all(body[name] == value for name, value in inner.items() if name != "errorCode")
