"""What the subscribers of each dialect know of calls, from what they were told alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.system.dialects import Pair


class Listeners:
    """One subscriber of each dialect, who hears everything of the account and checks the order of it."""

    def __init__(self) -> None:
        self._after: str | None = None
        self.v3: dict[str, dict[str, Any]] = {}
        """The last event of each leg."""
        self.gws: dict[tuple[str, str], dict[str, Any]] = {}
        """The last call of each number and call id."""
        self.ringcentral: dict[str, dict[str, Any]] = {}
        """The last notified party of each party id."""
        self._sequences: dict[str, int] = defaultdict(lambda: 1)

    def __repr__(self) -> str:
        return f"Listeners(v3={len(self.v3)}, gws={len(self.gws)}, ringcentral={len(self.ringcentral)})"

    async def hear(self, pair: Pair) -> None:
        """Take in what is new; final states are final, and sequences have no gaps."""
        told, self._after = await pair.told(self._after)
        for event in told["v3"]:
            before = self.v3.get(event["id"])
            assert event["sequence"] == (before["sequence"] + 1 if before else 1), event
            assert before is None or before["state"] != "hungup", event
            self.v3[event["id"]] = event
        for notification in told["gws"]:
            if notification["channel"] == "/v2/me/calls":
                self._hear_gws(notification["data"])
        for notification in told["ringcentral"]:
            body = notification["body"]
            if "parties" in body:
                self._hear_ringcentral(body)

    def alive(self) -> list[str]:
        """Return what none has been told to be over."""
        return [
            *(leg for leg, event in self.v3.items() if event["state"] != "hungup"),
            *(call for (_, call), shown in self.gws.items() if shown["state"] != "Released"),
            *(leg for leg, party in self.ringcentral.items() if party["status"]["code"] != "Disconnected"),
        ]

    def _hear_gws(self, data: dict[str, Any]) -> None:
        call = data["call"]
        key = (data["phoneNumber"], call["id"])
        before = self.gws.get(key)
        if before is not None and before["state"] == "Released":
            returns = call["state"] != "Released" and data["notificationType"] == "StatusChange"
            assert returns, data  # into a call that it left, by another one
        self.gws[key] = call

    def _hear_ringcentral(self, body: dict[str, Any]) -> None:
        session = body["telephonySessionId"]
        self._sequences[session] += 1
        assert body["sequence"] == self._sequences[session], body
        [party] = body["parties"]
        before = self.ringcentral.get(party["id"])
        assert before is None or before["status"]["code"] != "Disconnected", body
        self.ringcentral[party["id"]] = party
