"""A supervisor in another's call, as both are told of it."""

from __future__ import annotations

from msgspec.structs import replace

from relay.directory.directory import Directory
from relay.directory.model import Principal
from tests.dialects.gws.face import ACCOUNT
from tests.dialects.gws.playing import USERS, Play


async def test_a_supervisor_listens_in_barges_in_and_silences(play: Play, directory: Directory) -> None:
    """Nobody sees who listens in; who barges in is a participant; each step is taken exactly when listed."""
    await play.talk()
    [alex] = [user for user in directory.users(ACCOUNT) if user.login == "alex"]
    boss = Principal(ACCOUNT, replace(alex, roles=frozenset({"agent", "admin"})))
    [session] = await play.face.control.live(boss)
    await play.face.control.supervise(boss, device_id=USERS["alex"][1], leg=session.parties[0].id)
    assert await play.hear() == ["alex 1 Established"]
    supervising = play.last("alex")
    assert (supervising["monitoring"], supervising["mute"]) == (True, "On")
    assert {"SwitchToBargeIn", "MuteMonitoredUser"} <= set(supervising["capabilities"])
    watched = await play.face.call(f"/me/calls/{play.calls[0]}")
    assert (watched["supervisorListeningIn"], watched["monitoring"]) == (True, False)
    assert [one["phoneNumber"] for one in watched["participants"]] == ["15002"]
    assert (await play.ask("alex", "SwitchToListenIn", 1))[:2] == (400, 2)
    assert (await play.ask("jane", "SwitchToBargeIn", 1))[:2] == (400, 2)
    assert await play("alex", "SwitchToBargeIn", 1) == [
        "alex 1 Established", "jane 1 ParticipantsUpdated", "john 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert (play.last("alex")["mute"], play.with_whom("jane")) == ("Off", ["15002", "15003"])
    assert await play("alex", "MuteMonitoredUser", 1) == [
        "alex 1 MonitoredUserMutedStateChange", "jane 1 MonitoredUserMutedStateChange",
    ]  # fmt: skip
    assert play.last("alex")["monitoredUserMuted"] is True
    assert play.last("jane")["monitoredUserMuted"] is True
    await play("alex", "UnmuteMonitoredUser", 1)
    await play("alex", "SwitchToListenIn", 1)
    assert (play.last("alex")["mute"], play.with_whom("jane")) == ("On", ["15002"])
    await play("alex", "Hangup", 1)
    assert (await play.face.call(f"/me/calls/{play.calls[0]}"))["supervisorListeningIn"] is False
