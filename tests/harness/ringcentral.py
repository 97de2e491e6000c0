"""RingCentral's own JavaScript packages, run for one user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.harness.demo import User
from tests.harness.node import NodeProgram
from tests.waiting import eventually

CLIENT: Final = ("demo-client", "demo-secret")
EXTENSION: Final = "/restapi/v1.0/account/~/extension/~"
OWN_CALLS: Final = f"{EXTENSION}/telephony/sessions"

Json = dict[str, Any]


class Sdk:
    """What a user's application does with them."""

    def __init__(self, program: NodeProgram, user: User) -> None:
        self.program = program
        self.user = user

    def __repr__(self) -> str:
        return f"Sdk({self.user.login}, {self.program!r})"

    async def ask(self, root: str, *chain: list[Any]) -> Any:
        """Make calls, and return what they come to."""
        answer = await self.program.ask(root, *chain)
        assert "error" not in answer, answer
        return answer["value"]

    async def refused(self, root: str, *chain: list[Any]) -> tuple[int, str]:
        """Make calls that are refused, and return status and message."""
        answer = await self.program.ask(root, *chain)
        assert "error" in answer, answer
        return answer["status"], answer["error"]

    async def on(self, session: str, method: str, *given: Any) -> Any:
        """Call a method of a session."""
        return await self.ask(f"session {session}", [method, *given])

    async def call(self, **to: str) -> str:
        """Place a call from the user's device, and return its session's id."""
        session = await self.ask("control", ["createCall", self.user.device, to])
        return str(session["id"])

    async def rung(self, count: int = 1) -> str:
        """Return the id of the so manieth session that was told to be new."""
        return str((await self.program.tells("new", count))[count - 1])

    async def pick_up(self, count: int = 1) -> str:
        """Answer the so manieth new session, and return its id."""
        session = await self.rung(count)
        await self.on(session, "answer", {"deviceId": self.user.device})
        return session

    async def party(self, session: str) -> Json:
        """Return the user's own party, as the application has it."""
        return dict(await self.ask(f"session {session}", ["party"]))

    async def becomes(self, session: str, code: str) -> None:
        """Wait until the application was told of its own party's status."""

        async def so() -> bool:
            return bool((await self.party(session))["status"]["code"] == code)

        await eventually(so, what=f"{self!r} to be told {code}")

    async def forgets(self, session: str) -> None:
        """Wait until the application has let a session go, as it was told of its end."""

        async def gone() -> bool:
            return session not in [one["id"] for one in await self.ask("control", ["sessions"])]

        await eventually(gone, what=f"{self!r} to be told of the end")


@asynccontextmanager
async def sdk(server: str, user: User, *filters: str) -> AsyncIterator[Sdk]:
    """Run the packages against a server: logged in, and told what the filters choose over a WebSocket."""
    chosen = filters or (OWN_CALLS,)
    async with NodeProgram("ringcentral.mjs", server, *CLIENT, user.token, *chosen) as program:
        await program.tells("ready")
        yield Sdk(program, user)
