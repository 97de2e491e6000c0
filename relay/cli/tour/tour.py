"""Walk through one call and show what each channel tells of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from aiohttp import ClientError, ClientSession
from rich.console import Console
from rich.table import Table

from relay.cli.tour import channels
from relay.cli.tour.story import CHANNELS, Story, Told, from_gws, from_v3

STEP_TIMEOUT: Final = 10.0
"""Seconds the tour waits for the three channels to tell of one step."""

TENANT: Final = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
NUMBERS: Final = {"15000": "210", "15002": "200"}


class TourError(Exception):
    """The tour could not be completed; the message says what was missing."""


async def tour(base: str, console: Console) -> None:
    """Subscribe over three channels, make a call, and print each event as it arrives.

    Raises:
        TourError: a step failed, or the channels did not tell the same complete story in order.

    """
    try:
        async with asyncio.timeout(6 * STEP_TIMEOUT):
            await _Tour(base, console).run()
    except (ClientError, TimeoutError, channels.BadSignatureError) as error:
        raise TourError(f"{type(error).__name__}: {error}") from error


class _Tour:
    def __init__(self, base: str, console: Console) -> None:
        self._base = base
        self._console = console
        self._story = Story()
        self._news = asyncio.Event()
        self._total = 0

    def __repr__(self) -> str:
        return f"<Tour of {self._base} {self._story}>"

    async def run(self) -> None:
        """Walk through the call."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(ClientSession())
            self._say("A webhook (signature verified), an SSE stream and two CometD sessions subscribe.")
            await self._subscribe(stack, session)
            self._console.print(self._row("", *CHANNELS), style="bold")
            self._say("210 (Jane) clicks to dial 200 (John): her own phone rings, then his.")
            placed = await self._command(session, "210", "click-to-dial", destination="200")
            await self._told(3)
            leg = await self._leg_of(session, "200")
            self._say("200 answers.")
            await self._command(session, "200", "answer", call_leg_id=leg)
            await self._told(4)
            self._say("210 hangs up.")
            await self._command(session, "210", "hangup", call_leg_id=placed["call_leg_id"])
            await self._told(6)
        if self._story.faults:
            raise TourError("; ".join(self._story.faults))
        self._console.print("All three channels told the same complete story, in order.", style="bold green")

    async def _subscribe(self, stack: AsyncExitStack, session: ClientSession) -> None:
        base = self._base
        hook = channels.webhook(
            session, base, "demo-admin", lambda event: self._tell(from_v3("webhook", event))
        )
        stream = channels.sse(session, base, "demo-admin", lambda event: self._tell(from_v3("SSE", event)))
        await stack.enter_async_context(hook)
        await stack.enter_async_context(stream)
        for login in ("jane", "john"):
            polled = channels.cometd(
                session, base, login, "demo", lambda data: self._tell(from_gws(data, NUMBERS))
            )
            await stack.enter_async_context(polled)

    async def _command(
        self, session: ClientSession, extension: str, command: str, **payload: str
    ) -> dict[str, Any]:
        token = {"210": "demo-jane", "200": "demo-john"}[extension]
        body = {
            "command": command,
            "user": {"tenant_id": TENANT, "user_extension": extension},
            "payload": payload,
        }
        async with session.post(
            f"{self._base}/v3/call_control/", json=body, headers={"Authorization": f"Bearer {token}"}
        ) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.status != 202:
                raise TourError(f"{command} was answered {response.status}: {answer}")
            return answer

    async def _leg_of(self, session: ClientSession, extension: str) -> str:
        headers = {"Authorization": "Bearer demo-admin"}
        async with session.get(
            f"{self._base}/v3/calls/", params={"extension": extension}, headers=headers
        ) as response:
            response.raise_for_status()
            legs = (await response.json())["calls"]
        if not legs:
            raise TourError(f"extension {extension} has no leg")
        leg: str = legs[-1]["id"]
        return leg

    def _tell(self, told: Told) -> None:
        self._story.add(told)
        self._total += 1
        line = f"{told.extension} {told.word}"
        cells = [line if told.channel == channel else "" for channel in CHANNELS]
        self._console.print(self._row("", *cells))
        self._news.set()

    async def _told(self, events: int) -> None:
        """Wait until every channel can have told that many events."""
        try:
            async with asyncio.timeout(STEP_TIMEOUT):
                while self._total < events * len(CHANNELS):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TourError(
                f"waited {STEP_TIMEOUT:g} s for {events} events on each channel: {self._story}"
            ) from None

    def _say(self, text: str) -> None:
        self._console.print(f"\n{text}", style="cyan", highlight=False)

    def _row(self, lead: str, *cells: str) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        for _ in cells:
            table.add_column(width=18, no_wrap=True)
        table.add_row(lead, *cells)
        return table
