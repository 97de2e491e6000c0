"""What a change starts from: sessions as read at one moment, and what is at the devices they concern."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from relay.calls.capabilities import swayed
from relay.calls.devices import DeviceState, Supervisor
from relay.calls.lines import Line, beside, lines_of
from relay.calls.model import Address, Party, Role, Session
from relay.calls.parking import ORBITS
from relay.journal.journal import Journal
from relay.switch.protocol import Route

MOST_LINES: Final = 8
"""Legs at a device up to which a change of one is told of the others too: it bounds what a commit writes."""

MAX_FORWARDS: Final = 5
"""Devices that one call is forwarded by at most; whoever sets up a longer chain, or a ring, is busy."""


class Situation:
    """Sessions of one account with the state of their devices, each read once, when first needed."""

    def __init__(self, journal: Journal, account: str, sessions: Iterable[Session]) -> None:
        self._journal = journal
        self._account = account
        self._devices: dict[str, DeviceState] = {}
        self.sessions: Mapping[str, Session] = {session.id: session for session in sessions}

    def __repr__(self) -> str:
        return f"<Situation sessions={len(self.sessions)} devices={len(self._devices)}>"

    @property
    def lines(self) -> dict[str, Sequence[Line]]:
        """The live legs at the devices read so far."""
        return {device: state.lines for device, state in self._devices.items()}

    def beside(self, party: Party) -> tuple[Line, ...]:
        """Return the other live legs at the device of a leg of these sessions."""
        return beside(party, self.lines)

    async def read(self, *addresses: Address) -> None:
        """Read the devices of the sessions' live legs and of further addresses."""
        live = (party for session in self.sessions.values() for party in session.parties if party.live)
        wanted = {address.device_id for address in (*addresses, *(party.address for party in live))}
        await self._read(device for device in wanted if device is not None)

    async def parked(self) -> frozenset[str]:
        """Return the parking places of the account that are taken; they are kept as devices are."""
        await self._read(ORBITS)
        return frozenset(orbit for orbit in ORBITS if self._devices[orbit].lines)

    async def _read(self, devices: Iterable[str]) -> None:
        missing = [device for device in devices if device not in self._devices]
        if missing:
            self._devices |= await self._journal.device_states(self._account, missing)

    async def read_swayed(self, after: Mapping[str, Session]) -> bool:
        """Read the other sessions of which a leg allows something else by this change; tell if there are any.

        Not of devices with more than `MOST_LINES` legs: nobody watches the buttons of each.
        """
        few: dict[str, list[Line]] = {}
        for device, state in self._devices.items():
            others = [line for line in state.lines if line.session not in after]
            if 0 < len(others) < MOST_LINES:
                few[device] = others
        if not few:
            return False
        changed, found = lines_of(after.values()), set[str]()
        for device, lines in few.items():
            before, now = self._devices[device].lines, [*lines, *changed.get(device, ())]
            if len(now) <= MOST_LINES:
                found |= {line.session for line in lines if _sways(line, before, now)}
        read = await asyncio.gather(*(self._journal.session(self._account, session) for session in found))
        self.sessions = {**self.sessions, **{session.id: session for session in read if session is not None}}
        return bool(found)

    def supervisors(
        self, after: Iterable[Session], joined: Sequence[Supervisor]
    ) -> Iterator[tuple[Session, Party, Supervisor]]:
        """Give who is to take part in a call because a phone they supervise was just picked up.

        Who has ``joined`` already is left out, and whose device is in the call.
        """
        if not any(state.supervisors for state in self._devices.values()):
            return
        before = {party.id for one in self.sessions.values() for party in one.parties if party.present}
        for session in after:
            inside = {party.address.device_id for party in session.parties if party.live}
            for party in session.parties:
                state = self._devices.get(party.address.device_id or "")
                if state is None or not party.present or party.monitors or party.id in before:
                    continue
                for supervisor in state.supervisors:
                    if supervisor not in joined and supervisor.address.device_id not in inside:
                        yield session, party, supervisor

    async def stands(self) -> bool:
        """Tell whether everything is still as it was read.

        Sessions and devices are read one after another: a refusal holds only if nothing changed meanwhile.
        """
        again = await self._journal.device_states(self._account, self._devices)
        sessions = await asyncio.gather(
            *(self._journal.session(self._account, session) for session in self.sessions)
        )
        return again == self._devices and sessions == list(self.sessions.values())

    async def route(self, address: Address) -> Route:
        """Return where a call for an address arrives: forwarding followed, do-not-disturb heeded."""
        for _ in range(MAX_FORWARDS + 1):
            await self.read(address)
            state = self._devices.get(address.device_id or "", DeviceState())
            if state.settings.forward_to is None:
                return Route(address, refuses=state.settings.do_not_disturb)
            address = state.settings.forward_to
        return Route(address, refuses=True)

    async def route_onwards(self, session: Session, party: Party) -> Route | None:
        """Return where the one is found whom a leg calls once it is picked up; None if it calls nobody."""
        if session.two_step and party.role is Role.CALLER and not party.present:
            return await self.route(party.far)
        return None


def _sways(line: Line, before: Sequence[Line], now: Sequence[Line]) -> bool:
    """Tell whether a leg allows something else among the legs now at its device than among those before."""
    was, becomes = (
        swayed(line, [other for other in lines if other.leg != line.leg]) for lines in (before, now)
    )
    return was != becomes
