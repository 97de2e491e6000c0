"""Control on a real journal, with the demo's people, a clock that is set by hand, and timers run by hand."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.calls import commands
from relay.calls.capabilities import Operation
from relay.calls.events import CallEvent
from relay.calls.model import Party, Session
from relay.control import Accepted, Control
from relay.directory.directory import Directory
from relay.directory.loading import demo
from relay.directory.model import Principal
from relay.journal.commit import Timer
from relay.journal.journal import Journal
from relay.journal.record import RecordKind
from relay.switch.simulator import Simulator
from tests.calls.calling import kinds, leg_story, session_story

ACCOUNT = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
OTHER_ACCOUNT = "5d2f1c6a-7a55-4f0e-9d0b-1f6f8e1a2b3c"
START = 1_763_717_400_000
OUTSIDE = "+12025550123"
ELSEWHERE = "+12025550124"
JANES_PHONE = "631608b3-ceb1-472b-ba05-2ae39555b0d1"

ACTIONS: dict[Operation, commands.Action] = {
    Operation.ANSWER: commands.Answer(),
    Operation.REJECT: commands.Reject(),
    Operation.HANGUP: commands.Hangup(),
    Operation.HOLD: commands.Hold(),
    Operation.RETRIEVE: commands.Retrieve(),
    Operation.MUTE: commands.Mute(),
    Operation.UNMUTE: commands.Unmute(),
    Operation.SEND_DTMF: commands.SendDtmf("1"),
    Operation.SET_USER_DATA: commands.UpdateUserData({"k": 1}),
    Operation.FORWARD: commands.Forward(ELSEWHERE),
    Operation.REPLY: commands.Reply("later"),
    Operation.TRANSFER: commands.Transfer(ELSEWHERE),
    Operation.FLIP: commands.Flip(JANES_PHONE),
    Operation.PARK: commands.Park(),
    Operation.PICK_UP: commands.PickUp(JANES_PHONE),
    Operation.CONFERENCE: commands.Conference(ELSEWHERE),
    Operation.CONSULT: commands.Consult(ELSEWHERE),
    Operation.COMPLETE_TRANSFER: commands.CompleteTransfer(),
    Operation.COMPLETE_CONFERENCE: commands.CompleteConference(),
    Operation.SWAP: commands.Swap("none"),
    Operation.MERGE: commands.Merge("none"),
    Operation.BRIDGE: commands.Bridge(),
    Operation.BRING_IN: commands.BringIn("none"),
    Operation.REMOVE_PARTICIPANT: commands.RemoveParticipant(OUTSIDE),
    Operation.CLEAR: commands.Clear(),
    Operation.START_RECORDING: commands.StartRecording(),
    Operation.STOP_RECORDING: commands.StopRecording(),
    Operation.PAUSE_RECORDING: commands.PauseRecording(),
    Operation.RESUME_RECORDING: commands.ResumeRecording(),
    Operation.BARGE_IN: commands.BargeIn(),
    Operation.LISTEN_IN: commands.ListenIn(),
    Operation.MUTE_MONITORED: commands.MuteMonitored(),
    Operation.UNMUTE_MONITORED: commands.UnmuteMonitored(),
}
"""Every operation that is listed, as it can be asked for."""

DEMO: Final = demo()
"""The demo directory, read once: nothing changes it."""


class Office:
    """One process's control. Several on one journal's store are several processes."""

    def __init__(self, journal: Journal, directory: Directory | None = None) -> None:
        self.now = START
        self.journal = journal
        self.directory = directory or DEMO
        self.simulator = Simulator(self.directory.device, ring_timeout=60)
        self.control = Control(journal, self.directory, self.simulator, now=lambda: self.now)
        self.jane, self.john, self.alex, self.admin = (
            self.principal(login) for login in ("jane", "john", "alex", "admin")
        )
        self.mallory = self.principal("mallory", OTHER_ACCOUNT)

    def principal(self, login: str, account: str = ACCOUNT) -> Principal:
        """Return a user of the demo directory."""
        [user] = [user for user in self.directory.users(account) if user.login == login]
        return Principal(account, user)

    async def dial(self, principal: Principal, destination: str = "200", **options: Any) -> Accepted:
        """Dial from the user's phone, in one step unless told otherwise."""
        device = principal.user.devices[0].id
        options = {"two_step": False, **options}
        return await self.control.dial(principal, device_id=device, destination=destination, **options)

    async def session(self, session: str, account: str = ACCOUNT) -> Session:
        """Return a call as it is in the journal."""
        found = await self.journal.session(account, session)
        assert found is not None
        return found

    async def callee(self, accepted: Accepted) -> Party:
        """Return the second leg of a call as it is in the journal."""
        return (await self.session(accepted.session.id)).parties[1]

    async def timers(self) -> list[Timer]:
        """Return the account's timers, the earliest first."""
        key = self.journal.store.keys(ACCOUNT).timers
        members = await self.journal.store.call("ZRANGE", key, 0, -1)
        return [msgspec.json.decode(member, type=Timer) for member in members]

    async def elapse(self, timer: Timer) -> None:
        """Let a timer fall due, as the owner of its partition does."""
        self.now = max(self.now, timer.due)
        keys = self.journal.store.keys(ACCOUNT)
        await self.control.elapse(keys.partition, timer)
        await self.journal.store.call("ZREM", keys.timers, msgspec.json.encode(timer))

    async def run_timers(self) -> None:
        """Let all timers fall due one after another, and those they bring."""
        while timers := await self.timers():
            await self.elapse(timers[0])

    async def events(self, account: str = ACCOUNT) -> list[CallEvent]:
        """Return what the journal tells of the account's calls."""
        page = await self.journal.history(account, None, limit=1000)
        return [entry.event for entry in page.entries if entry.kind is RecordKind.CALL]

    async def leg_story(self) -> list[str]:
        """Return the events as subscribers of legs see them."""
        return leg_story(await self.events())

    async def session_story(self) -> list[str]:
        """Return the events as subscribers of sessions see them."""
        return session_story(await self.events())

    async def kinds(self) -> list[str]:
        """Return the kinds of the events."""
        return kinds(await self.events())
