"""Stories played over HTTP and told as notifications, one line a step."""

from __future__ import annotations

import json
from typing import Any, Final

from relay.dialects.gws.render import renderer
from relay.journal.record import RecordKind
from tests.dialects.gws.face import ACCOUNT, Answer, Face

USERS: Final = {
    "jane": ("15000", "631608b3-ceb1-472b-ba05-2ae39555b0d1"),
    "john": ("15002", "7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11"),
    "alex": ("15003", "c2a1d9f4-0e4b-4f0c-8a55-90b7c4d1e733"),
}
"""Number and device of everybody."""

_NAMES: Final = {number: login for login, (number, _) in USERS.items()}
_render: Final = renderer("http://127.0.0.1:8080")


class Play:
    """What users do, with calls numbered from 1 in the order they were placed in."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.calls: list[str] = []
        """Ids, the first call's first."""
        self.told: list[dict[str, Any]] = []
        """The data of every notification so far."""
        self._after: str | None = None

    async def __call__(self, user: str, operation: str, call: int = 0, **parameters: Any) -> list[str]:
        """Carry out an operation, which must be taken; return what it is told by, and to whom."""
        answer = await self.ask(user, operation, call, **parameters)
        assert answer == (200, 0, {"statusCode": 0})
        return await self.hear()

    async def ask(self, user: str, operation: str, call: int = 0, **parameters: Any) -> Answer:
        """Ask for an operation: one on a call, or Dial."""
        path = f"/me/calls/{self.calls[call - 1]}" if call else f"/me/devices/{USERS[user][1]}/calls"
        return await self.face.operate(path, operation, user, **parameters)

    async def come_in(self, caller: str, called: str) -> list[str]:
        """Let an outside number call a user."""
        await self.face.control.simulate_inbound(ACCOUNT, caller, USERS[called][0])
        return await self.hear()

    async def talk(self, caller: str = "jane", called: str = "john") -> None:
        """Have one call the other, who answers."""
        await self(caller, "Dial", destination=USERS[called][0])
        await self(called, "Answer", len(self.calls))

    async def hang_up_all(self) -> None:
        """Leave no call."""
        for user in USERS:
            for call in await self.face.calls(user):
                assert (await self.face.operate(f"/me{call['path']}", "Hangup", user)).code == 0
        await self.hear()

    async def hear(self) -> list[str]:
        """Return the notifications since the last time, each as ``<user> <call> <state or type>``."""
        page = await self.face.journal.history(ACCOUNT, self._after, limit=1000)
        self._after = page.scanned_to
        calls = [entry for entry in page.entries if entry.kind is RecordKind.CALL]
        rendered = [_render(entry.id, entry.event) for entry in calls]
        new = [json.loads(one.body)["data"] for one in rendered if one is not None]
        self.told += new
        return [self._line(data) for data in new]

    def uri(self, call: int) -> str:
        """Return a call's URI as its users know it."""
        return f"http://127.0.0.1:8080/api/v2/me/calls/{self.calls[call - 1]}"

    def last(self, user: str, call_number: int = 0) -> dict[str, Any]:
        """Return the call of the last notification to a user, of any call or of one."""
        number, named = USERS[user][0], self.calls[call_number - 1] if call_number else None
        call: dict[str, Any] = next(
            data["call"]
            for data in reversed(self.told)
            if data["phoneNumber"] == number and named in (None, data["call"]["id"])
        )
        return call

    def with_whom(self, user: str) -> list[str]:
        """Return the numbers of the participants, as a user was last told of them."""
        return sorted(one["phoneNumber"] for one in self.last(user)["participants"])

    def _line(self, data: dict[str, Any]) -> str:
        call = data["call"]
        if call["id"] not in self.calls:
            self.calls.append(call["id"])
        changed = data["notificationType"]
        told = call["state"] if changed == "StatusChange" else changed
        return f"{_NAMES[data['phoneNumber']]} {self.calls.index(call['id']) + 1} {told}"
