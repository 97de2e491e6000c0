"""Operations on a leg: who may ask, when, and what is told of it."""

from __future__ import annotations

import itertools

import pytest

from relay.calls import commands
from relay.calls.capabilities import UNLISTED, Operation, capabilities
from relay.calls.commands import (
    Action,
    Answer,
    AttachUserData,
    DeleteUserData,
    DeleteUserDataPair,
    Hangup,
    Reject,
    SendDtmf,
    SetDisposition,
    UpdateUserData,
)
from relay.calls.user_data import MAX_USER_DATA
from relay.errors import InvalidFieldError, NotAllowedNowError, NotParticipantError
from tests.control.office import ACTIONS, OUTSIDE, Office

STATES: dict[str, tuple[Action, ...]] = {
    "answered": (),
    "held": (commands.Hold(),),
    "muted": (commands.Mute(),),
    "recorded": (commands.StartRecording(),),
    "paused": (commands.StartRecording(), commands.PauseRecording()),
    "conference": (commands.Conference(OUTSIDE),),
    "consulting": (commands.Consult(OUTSIDE),),
    "ended": (commands.Hangup(),),
}
"""What the caller asks for to get there, once the call is answered."""


async def test_a_call_from_dialling_to_hanging_up(office: Office) -> None:
    """Each command's events carry its id, and both legs are told of in their order."""
    dialled = await office.dial(office.jane, "200")
    john = await office.callee(dialled)
    answered = await office.control.act(office.john, leg=john.id, action=Answer(), traceparent="00-a-b-01")
    hung_up = await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    assert await office.leg_story() == [
        "ringing(210,1)",
        "ringing(200,1)",
        "answered(200,2)",
        "answered(210,2)",
        "hungup(210,3) normal by 210",
        "hungup(200,3) normal by 210",
    ]
    by_command = itertools.groupby(await office.events(), key=lambda event: event.command_id)
    assert [(command, len(list(told))) for command, told in by_command] == [
        (dialled.command_id, 4),
        (answered.command_id, 2),
        (hung_up.command_id, 2),
    ]
    assert (answered.party.id, answered.session.version) == (john.id, 2)
    assert hung_up.session == await office.session(dialled.session.id)
    assert await office.timers() == []


@pytest.mark.parametrize("state", ["ringing", "own phone rings", *STATES])
@pytest.mark.parametrize("operation", sorted(set(Operation) - UNLISTED))
async def test_an_operation_succeeds_exactly_when_it_is_listed(
    office: Office, state: str, operation: Operation
) -> None:
    """What a leg lists is accepted and told of; what it does not is refused with what it lists."""
    dialled = await office.dial(office.jane, "200", two_step=state == "own phone rings")
    if state in STATES:
        await office.control.act(office.john, leg=(await office.callee(dialled)).id, action=Answer())
        for action in STATES[state]:
            await office.control.act(office.jane, leg=dialled.party.id, action=action)
    for number, who in enumerate((office.jane, office.john)[: len(dialled.session.parties)]):
        session = await office.session(dialled.session.id)
        party, told = session.parties[number], len(await office.events())
        beside = await office.control.beside(session, party)
        allowed = capabilities(session, party, beside)
        action = ACTIONS[operation]
        if isinstance(action, commands.Merge | commands.Swap) and beside:
            action = type(action)(beside[0].leg)
        asking = office.control.act(who, leg=party.id, action=action)
        if not party.live:
            with pytest.raises(NotParticipantError):
                await asking
        elif operation not in allowed:
            with pytest.raises((NotAllowedNowError, NotParticipantError)) as refused:
                await asking
            if isinstance(refused.value, NotAllowedNowError):
                assert set(refused.value.allowed) == set(allowed)
            assert await office.session(session.id) == session
        else:
            await asking
            assert len(await office.events()) > told
            # A call that is held already is changed by consulting only where it allows something else by it.
            leaves = operation is Operation.CONSULT and party.state == "held"
            assert (await office.session(session.id)).version - session.version in ({0, 1} if leaves else {1})


async def test_a_disposition_is_taken_whenever_and_never_listed(office: Office) -> None:
    """During the call both legs are told of it; after the call it is kept in silence; others have no say."""
    dialled = await office.dial(office.jane, "200")
    await office.control.act(office.jane, leg=dialled.party.id, action=SetDisposition("sold"))
    assert (await office.kinds())[-2:] == ["user_data 210", "user_data 200"]
    await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    told = await office.events()
    after = await office.control.act(office.jane, leg=dialled.party.id, action=SetDisposition("lost", "why"))
    assert after.session.user_data == {"DispositionCode": "sold", "why": "lost"}
    assert await office.session(after.session.id) == after.session
    assert await office.events() == told
    for who in (office.john, office.admin, office.mallory):
        with pytest.raises(NotParticipantError):
            await office.control.act(who, leg=dialled.party.id, action=SetDisposition("sold"))


async def test_only_the_legs_user_may_operate_it(office: Office) -> None:
    """The far end's leg, an outside one, bystanders, an admin and another tenant are all refused."""
    inside = await office.dial(office.jane, "200")
    outside = await office.dial(office.jane, OUTSIDE)
    jane, john = inside.session.parties
    told = await office.events()
    for who, leg in [
        (office.jane, john.id),
        (office.john, jane.id),
        (office.alex, jane.id),
        (office.admin, jane.id),
        (office.mallory, jane.id),
        (office.jane, outside.session.parties[1].id),
        (office.admin, outside.session.parties[1].id),
        (office.jane, "no such leg"),
        (office.jane, ""),
    ]:
        with pytest.raises(NotParticipantError):
            await office.control.act(who, leg=leg, action=Hangup())
    assert await office.events() == told


async def test_rejecting_and_canceling(office: Office) -> None:
    """A callee rejects, a caller cancels; both legs carry it."""
    rejected = await office.dial(office.jane, "200")
    await office.control.act(office.john, leg=(await office.callee(rejected)).id, action=Reject())
    canceled = await office.dial(office.jane, "200")
    await office.control.act(office.jane, leg=canceled.party.id, action=Hangup())
    ended = [line for line in await office.leg_story() if line.startswith("hungup")]
    assert ended == [
        "hungup(200,2) rejected by 200",
        "hungup(210,2) rejected by 200",
        "hungup(210,2) canceled by 210",
        "hungup(200,2) canceled by 210",
    ]


async def test_tones_must_be_tones(office: Office) -> None:
    """Digits outside the grammar are refused; good ones are told of the leg they were sent from."""
    dialled = await office.dial(office.jane, "200")
    for digits in ("", "x", "1 2"):
        with pytest.raises(InvalidFieldError) as refused:
            await office.control.act(office.jane, leg=dialled.party.id, action=SendDtmf(digits))
        assert refused.value.field == "digits"
    await office.control.act(office.jane, leg=dialled.party.id, action=SendDtmf("12*#D"))
    last = (await office.events())[-1]
    assert (last.kind, last.party_id, last.details) == ("dtmf", dialled.party.id, {"digits": "12*#D"})


async def test_user_data_is_told_of_both_legs(office: Office) -> None:
    """Each change of user data is one event a leg, with all of it; the same change again is told again."""
    dialled = await office.dial(office.jane, "200", user_data={"a": 1, "b": 2})
    told = []
    for action in (
        AttachUserData({"c": 3}),
        UpdateUserData({"b": None, "a": 5}),
        UpdateUserData({"a": 5}),
        DeleteUserDataPair("c"),
        DeleteUserData(),
    ):
        await office.control.act(office.jane, leg=dialled.party.id, action=action)
        one, other = (await office.events())[-2:]
        assert one.session.user_data == other.session.user_data
        assert {one.party.address.extension, other.party.address.extension} == {"210", "200"}
        told.append(one.session.user_data)
    assert told == [{"a": 1, "b": 2, "c": 3}, {"a": 5, "c": 3}, {"a": 5, "c": 3}, {"a": 5}, {}]


async def test_a_calls_user_data_is_limited_in_all(office: Office) -> None:
    """Data that fits alone does not with what the call has; refused, it is not half written."""
    half = "x" * (MAX_USER_DATA // 2)
    dialled = await office.dial(office.jane, "200", user_data={"a": half})
    leg = dialled.party.id
    with pytest.raises(InvalidFieldError) as refused:
        await office.control.act(office.jane, leg=leg, action=AttachUserData({"b": half}))
    assert refused.value.field == "user_data"
    assert await office.session(dialled.session.id) == dialled.session
    await office.control.act(office.jane, leg=leg, action=AttachUserData({"a": half}))


async def test_time_never_runs_backwards_in_a_call(office: Office) -> None:
    """A process whose clock is behind tells its change with the time of the one before."""
    dialled = await office.dial(office.jane, "200")
    office.now -= 5_000
    await office.control.act(office.john, leg=(await office.callee(dialled)).id, action=Answer())
    times = [event.time for event in await office.events()]
    assert times == sorted(times)
