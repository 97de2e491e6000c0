"""The documented sequences of notifications, one line a step."""

from __future__ import annotations

import pytest

from tests.dialects.gws.playing import Play


async def test_hold_and_mute(play: Play) -> None:
    """Each is told to the device it was asked of, and to no other."""
    assert await play("jane", "Dial", destination="15002") == ["jane 1 Dialing", "john 1 Ringing"]
    assert await play("john", "Answer", 1) == ["john 1 Established", "jane 1 Established"]
    assert await play("jane", "Hold", 1) == ["jane 1 Held"]
    assert await play("jane", "Retrieve", 1) == ["jane 1 Established"]
    assert await play("jane", "MuteCall", 1) == ["jane 1 Established"]
    assert play.last("jane")["mute"] == "On"
    assert await play("jane", "UnmuteCall", 1) == ["jane 1 Established"]
    assert play.last("jane")["mute"] == "Off"
    assert await play("jane", "SendDtmf", 1, digits="12#") == ["jane 1 DtmfSent"]
    assert await play("jane", "Hangup", 1) == ["jane 1 Released", "john 1 Released"]


async def test_both_ends_of_an_answered_call_list_the_same(play: Play) -> None:
    """The called one is told first, and of all that can be done now that two talk."""
    await play.talk()
    of_jane, of_john = (set(play.last(user)["capabilities"]) for user in ("jane", "john"))
    assert of_jane == of_john
    assert {"InitiateTransfer", "SingleStepConference"} <= of_john


async def test_what_another_call_allows_is_told_of_it_too(play: Play) -> None:
    """While one of two calls is talked on, the held one is swapped, not retrieved; and back."""
    await play.talk()
    await play("jane", "Hold", 1)
    assert await play("jane", "Dial", destination="15003") == ["jane 2 Dialing", "alex 2 Ringing"]
    assert (await play("alex", "Answer", 2))[-1] == "jane 1 ParticipantsUpdated"
    assert {"SwapCalls", "MergeWithOtherCall"} <= set(play.last("jane")["capabilities"])
    told = await play("jane", "SwapCalls", 2, otherCallUri=play.uri(1))
    assert told == ["jane 2 Held", "jane 1 Established"]
    assert "Retrieve" not in play.last("jane", 2)["capabilities"]
    assert (await play("jane", "Hangup", 1))[-1] == "jane 2 ParticipantsUpdated"
    assert "Retrieve" in play.last("jane")["capabilities"]


async def test_a_transfer_after_consultation(play: Play) -> None:
    """Parent Held, consult Dialing and Established; on completion parent Released, then consult Released."""
    await play.talk()
    assert await play("jane", "InitiateTransfer", 1, destination={"phoneNumber": "15003"}) == [
        "jane 1 Held", "jane 2 Dialing", "alex 2 Ringing",
    ]  # fmt: skip
    assert await play("alex", "Answer", 2) == [
        "alex 2 Established", "jane 2 Established", "jane 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert {"SwapCalls", "CompleteConference"} <= set(play.last("jane", 1)["capabilities"])
    assert "Retrieve" not in play.last("jane", 1)["capabilities"]
    consult = play.last("jane", 2)
    assert (consult["callType"], consult["parentCallUri"]) == ("Consult", play.uri(1))
    assert consult["parentCallPath"] == f"/calls/{play.calls[0]}"
    assert await play("jane", "CompleteTransfer", 2) == [
        "jane 1 Released", "jane 2 Released", "alex 2 Released", "alex 1 Established",
        "john 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert play.last("jane")["parentCallUri"] == play.uri(1)
    assert (play.with_whom("john"), play.with_whom("alex")) == (["15003"], ["15002"])


async def test_a_transfer_completed_while_it_rings(play: Play) -> None:
    """The consult call still rings; who was held hears it ring, and talks once it is answered."""
    await play.talk()
    await play("jane", "InitiateTransfer", 1, destination="15003")
    assert "CompleteTransfer" in play.last("jane")["capabilities"]
    told = await play("jane", "CompleteTransfer", 1, consultCallUri=play.uri(2))
    assert told[:2] == ["jane 1 Released", "jane 2 Released"]
    assert await play("alex", "Answer", 1) == ["alex 1 Established", "john 1 ParticipantsUpdated"]
    assert (play.with_whom("alex"), await play.face.calls("jane")) == (["15002"], [])


async def test_a_blind_transfer(play: Play) -> None:
    """The own device sees its call Released and nothing more; user data travel with the call."""
    await play.talk()
    told = await play(
        "jane", "SingleStepTransfer", 1, destination={"phoneNumber": "15003"}, userData={"k": "v"}
    )
    assert told == ["jane 1 Released", "john 1 ParticipantsUpdated", "alex 1 Ringing"]
    assert play.last("alex")["userData"] == {"k": "v"}
    assert await play("alex", "Answer", 1) == ["alex 1 Established", "john 1 ParticipantsUpdated"]
    assert "InitiateTransfer" in play.last("john")["capabilities"]
    assert (play.with_whom("john"), play.with_whom("alex")) == (["15003"], ["15002"])


async def test_a_conference_after_consultation(play: Play) -> None:
    """Consult Released, parent Established, then its participants."""
    await play.talk()
    await play("jane", "InitiateConference", 1, destination="15003")
    await play("alex", "Answer", 2)
    assert await play("jane", "CompleteConference", 2) == [
        "jane 2 Released", "alex 2 Released", "jane 1 Established", "alex 1 Established",
        "jane 1 ParticipantsUpdated", "john 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert play.last("jane")["state"] == "Established"
    assert [play.with_whom(user) for user in ("jane", "john", "alex")] == [
        ["15002", "15003"], ["15000", "15003"], ["15000", "15002"],
    ]  # fmt: skip
    assert await play("jane", "RemoveParticipantFromConference", 1, participant="15002") == [
        "john 1 Released", "jane 1 ParticipantsUpdated", "alex 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert play.with_whom("jane") == ["15003"]
    assert "RemoveParticipantFromConference" not in play.last("jane")["capabilities"]


async def test_a_conference_in_one_step_that_is_cleared(play: Play) -> None:
    """The added party rings beside the others; clearing releases everybody."""
    await play.talk()
    assert await play("jane", "SingleStepConference", 1, destination="15003") == [
        "jane 1 ParticipantsUpdated", "john 1 ParticipantsUpdated", "alex 1 Ringing",
    ]  # fmt: skip
    assert await play("alex", "Answer", 1) == ["alex 1 Established"]
    assert await play("john", "ClearCall", 1) == ["john 1 Released", "jane 1 Released", "alex 1 Released"]


@pytest.mark.parametrize(("number", "cause"), [("+12025550101", "busy"), ("+12025550105", "failed")])
async def test_whom_a_conference_wanted_and_does_not_get(play: Play, number: str, cause: str) -> None:
    """A failure after acceptance, the switch's own too, is told by an Error with the whole call."""
    await play.talk()
    told = await play("jane", "SingleStepConference", 1, destination=number)
    assert told == ["jane 1 ParticipantsUpdated", "john 1 ParticipantsUpdated"]
    await play.face.elapse()
    assert await play.hear() == ["jane 1 Error", "john 1 ParticipantsUpdated"]
    [error] = [data for data in play.told if data["notificationType"] == "Error"]
    assert (error["errorCode"], error["errorMessage"]) == (4, f"{number} did not join: {cause}")
    assert (error["call"]["state"], play.with_whom("jane")) == ("Established", ["15002"])


async def test_two_calls_are_swapped(play: Play) -> None:
    """First the one Held, then the other Established; the device gives no Retrieve while one is talked on."""
    await play.talk()
    await play("jane", "Hold", 1)
    await play.talk("jane", "alex")
    assert "Retrieve" not in (await play.face.calls())[0]["capabilities"]
    assert await play("jane", "SwapCalls", 2, otherCallUri=play.uri(1)) == [
        "jane 2 Held",
        "jane 1 Established",
    ]
    assert await play("jane", "SwapCalls", 1, otherCallUri=play.uri(2)) == [
        "jane 1 Held",
        "jane 2 Established",
    ]


async def test_two_calls_are_merged(play: Play) -> None:
    """The call talked on is Released; the held one goes on with everybody."""
    await play.talk()
    await play("jane", "Hold", 1)
    await play.talk("jane", "alex")
    assert await play("jane", "MergeWithOtherCall", 2, otherCallUri=play.uri(1)) == [
        "jane 2 Released", "alex 2 Released", "jane 1 Established", "alex 1 Established",
        "jane 1 ParticipantsUpdated", "john 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert play.with_whom("jane") == ["15002", "15003"]


async def test_a_consultation_that_is_given_up(play: Play) -> None:
    """The consult call is Released, and its parent stays Held until it is retrieved."""
    await play.talk()
    await play("jane", "InitiateTransfer", 1, destination="15003")
    assert await play("jane", "Hangup", 2) == [
        "jane 2 Released", "alex 2 Released", "jane 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert "CompleteTransfer" not in play.last("jane")["capabilities"]
    assert await play("jane", "Retrieve", 1) == ["jane 1 Established"]


async def test_a_consultation_on_a_call_already_held(play: Play) -> None:
    """It is not told to be Held a second time."""
    await play.talk()
    await play("jane", "Hold", 1)
    assert await play("jane", "InitiateTransfer", 1, destination="15003") == [
        "jane 2 Dialing", "alex 2 Ringing", "jane 1 ParticipantsUpdated",
    ]  # fmt: skip
    assert "CompleteTransfer" in play.last("jane")["capabilities"]


async def test_a_recording(play: Play) -> None:
    """It has no state before the first; then each change is told, and noted in the user data."""
    await play.talk()
    assert "recordingState" not in play.last("jane")
    for operation, state, noted, gained in (
        ("StartCallRecording", "Recording", "ON", {"PauseCallRecording", "StopCallRecording"}),
        ("PauseCallRecording", "Paused", "PAUSED", {"ResumeCallRecording", "StopCallRecording"}),
        ("ResumeCallRecording", "Recording", "ON", {"PauseCallRecording", "StopCallRecording"}),
        ("StopCallRecording", "Stopped", "OFF", {"StartCallRecording"}),
    ):
        assert await play("jane", operation, 1) == ["jane 1 CallRecordingStateChange"]
        call = play.last("jane")
        assert (call["recordingState"], call["userData"]) == (state, {"GSIP_RECORD": noted})
        assert {name for name in call["capabilities"] if name.endswith("Recording")} == gained
    await play("jane", "StartCallRecording", 1)
    await play("john", "Hangup", 1)
    assert play.last("jane")["recordingState"] == "Stopped"


async def test_user_data(play: Play) -> None:
    """Every change is told to all devices of the call, also while it rings."""
    both = ["jane 1 AttachedDataChanged", "john 1 AttachedDataChanged"]
    await play("jane", "Dial", destination="15002", userData={"a": 1})
    assert await play("john", "AttachUserData", 1, userData={"b": "2"}) == both
    assert await play("jane", "UpdateUserData", 1, userData={"a": {"c": 3}}) == both
    assert play.last("john")["userData"] == {"a": {"c": 3}, "b": "2"}
    assert await play("jane", "DeleteUserDataPair", 1, key="b") == both
    assert await play("jane", "DeleteUserDataPair", 1, key="b") == []
    assert await play("jane", "DeleteUserData", 1) == both
    assert "userData" not in play.last("john")


async def test_a_disposition(play: Play) -> None:
    """It is noted during the call, which is told, or after it, which is not; it is never listed."""
    await play.talk()
    named = {"callUri": play.uri(1), "callUuid": play.calls[0]}
    assert "SetCallDisposition" not in play.last("jane")["capabilities"]
    told = await play("jane", "SetCallDisposition", 1, disposition="sold", dispositionKey="Outcome", **named)
    assert told == ["jane 1 AttachedDataChanged", "john 1 AttachedDataChanged"]
    await play("jane", "Hangup", 1)
    assert await play("jane", "SetCallDisposition", 1, disposition="done", **named) == []
    call = await play.face.call(f"/me/calls/{play.calls[0]}")
    assert call["userData"] == {"Outcome": "sold", "DispositionCode": "done"}


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("+12025550101", ["jane 1 Dialing", "jane 1 Released"]),
        ("+12025550102", ["jane 1 Dialing", "jane 1 Released"]),
        ("+12025550103", ["jane 1 Dialing", "jane 1 Released"]),
        ("+12025550104", ["jane 1 Dialing", "jane 1 Established", "jane 1 Released"]),
        ("+12025550105", ["jane 1 Dialing", "jane 1 Released"]),
    ],
)
async def test_a_call_that_is_accepted_and_fails(play: Play, number: str, told: list[str]) -> None:
    """Busy, not answered, rejected, hung up at once, or the switch failed: it is Released, no word on why."""
    steps = await play("jane", "Dial", destination=number)
    while "jane 1 Released" not in steps:
        await play.face.elapse()
        steps += await play.hear()
    assert steps == told
    assert play.last("jane")["capabilities"] == []


@pytest.mark.parametrize("operation", ["InitiateTransfer", "InitiateConference"])
async def test_a_consultation_that_finds_nobody(play: Play, operation: str) -> None:
    """The consult call is Released; its parent stays Held, to be retrieved."""
    await play.talk()
    told = await play("jane", operation, 1, destination="+12025550101")
    while "jane 2 Released" not in told:
        await play.face.elapse()
        told += await play.hear()
    assert told[:2] == ["jane 1 Held", "jane 2 Dialing"]
    assert play.last("jane", 1)["state"] == "Held"
    assert "Retrieve" in (await play.face.call(f"/me/calls/{play.calls[0]}"))["capabilities"]


async def test_a_blind_transfer_that_finds_nobody(play: Play) -> None:
    """Who transferred is out of the call already; who was transferred is Released."""
    await play.talk()
    told = await play("jane", "SingleStepTransfer", 1, destination="+12025550101")
    while "john 1 Released" not in told:
        await play.face.elapse()
        told += await play.hear()
    assert told[:2] == ["jane 1 Released", "john 1 ParticipantsUpdated"]


async def test_a_call_with_everything_has_its_members_in_the_published_order(play: Play) -> None:
    """A recorded consult call to the outside with user data, whose every member is there."""
    await play.talk()
    await play("jane", "InitiateTransfer", 1, destination="+12025550123", userData={"k": "v"})
    await play.face.elapse()
    await play("jane", "StartCallRecording", 2)
    call = play.last("jane", 2)
    assert list(call) == [
        "id", "state", "callUuid", "connId", "deviceUri", "participants", "ani", "dnis", "callType",
        "capabilities", "userData", "parentCallUri", "duration", "mute", "recordingState",
        "supervisorListeningIn", "monitoredUserMuted", "monitoring", "uri", "path", "parentCallPath",
    ]  # fmt: skip
    assert call == await play.face.call(f"/me/calls/{play.calls[1]}")
    assert (call["callType"], call["ani"], call["dnis"]) == ("Consult", "15000", "+12025550123")
