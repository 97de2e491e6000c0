"""Supervisors: who may take part in whose calls, at once or from the next call on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.calls.commands import Answer, BargeIn, Hangup, MuteMonitored
from relay.calls.devices import StopSupervising, Supervise
from relay.calls.model import MonitorMode, Session
from relay.control import Accepted
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedError, NotAllowedNowError, NotFoundError
from tests.control.office import ACCOUNT, OUTSIDE, Office


@pytest.fixture
def boss(office: Office) -> Principal:
    """Give alex as one who may supervise."""
    return Principal(ACCOUNT, replace(office.alex.user, roles=frozenset({"agent", "admin"})))


def device(who: Principal) -> str:
    """Return the id of the user's phone."""
    return who.user.devices[0].id


async def talk(office: Office) -> Accepted:
    """Have jane talk with john."""
    dialled = await office.dial(office.jane, "200")
    await office.control.act(office.john, leg=dialled.session.parties[1].id, action=Answer())
    return dialled


async def supervise(office: Office, boss: Principal, **how: object) -> None:
    """Have the boss's phone take part in jane's calls from now on."""
    action = Supervise(target=device(office.jane), **how)  # type: ignore[arg-type]
    await office.control.set_device(boss, device_id=device(boss), action=action)


def supervisors(session: Session) -> list[tuple[str | None, str | None]]:
    """Return the live supervisors of a call, and how they take part."""
    return [
        (party.address.extension, party.mode) for party in session.parties if party.live and party.monitors
    ]


async def test_a_supervisor_takes_part_at_once(office: Office, boss: Principal) -> None:
    """The new leg is the supervisor's own, to operate as it lists."""
    call = await talk(office)
    joined = await office.control.supervise(boss, device_id=device(boss), leg=call.party.id)
    assert supervisors(joined.session) == [("220", "listen-in")]
    assert joined.party.monitors == call.party.id
    await office.control.act(boss, leg=joined.party.id, action=BargeIn())
    await office.control.act(boss, leg=joined.party.id, action=MuteMonitored())
    assert (await office.session(call.session.id)).parties[0].silenced
    await office.control.act(boss, leg=joined.party.id, action=Hangup())
    assert (await office.session(call.session.id)).live


async def test_only_a_supervisor_takes_part_and_only_in_calls_of_the_account(
    office: Office, boss: Principal
) -> None:
    """Agents may not, nor with others' phones; what is not picked up, or outside, cannot be supervised."""
    call = await talk(office)
    leg = call.party.id
    told = await office.events()
    with pytest.raises(NotAllowedError):
        await office.control.supervise(office.alex, device_id=device(office.alex), leg=leg)
    with pytest.raises(NotAllowedError):
        await office.control.supervise(boss, device_id=device(office.john), leg=leg)
    with pytest.raises(NotFoundError):
        await office.control.supervise(boss, device_id="none", leg=leg)
    with pytest.raises(NotFoundError):
        await office.control.supervise(boss, device_id=device(boss), leg="none")
    with pytest.raises(NotAllowedError):
        await office.control.set_device(
            office.alex, device_id=device(office.alex), action=Supervise(target=device(office.jane))
        )
    with pytest.raises(NotAllowedError):
        await office.control.set_device(office.alex, device_id=device(office.alex), action=StopSupervising())
    assert await office.events() == told
    outside = await office.dial(office.john, OUTSIDE)
    with pytest.raises(NotFoundError):
        await office.control.supervise(boss, device_id=device(boss), leg=outside.session.parties[1].id)
    with pytest.raises(NotAllowedNowError):
        await office.control.supervise(boss, device_id=device(boss), leg=outside.party.id)
    await office.control.supervise(boss, device_id=device(boss), leg=leg)
    with pytest.raises(NotAllowedNowError):
        await office.control.supervise(boss, device_id=device(boss), leg=leg)


async def test_a_target_is_another_users_device_of_the_account(office: Office, boss: Principal) -> None:
    """Nobody supervises an own phone, another tenant's, or none."""
    for target, error in (
        (device(boss), InvalidFieldError),
        (device(office.mallory), NotFoundError),
        ("none", NotFoundError),
    ):
        with pytest.raises(error):
            await office.control.set_device(boss, device_id=device(boss), action=Supervise(target=target))


async def test_calls_from_now_on_are_supervised(office: Office, boss: Principal) -> None:
    """Whichever way the call goes, the supervisor is in it in the commit that picks the phone up."""
    await supervise(office, boss, mode=MonitorMode.COACH)
    out = await talk(office)
    assert supervisors(await office.session(out.session.id)) == [("220", "coach")]
    incoming = await office.control.simulate_inbound(ACCOUNT, OUTSIDE, "210")
    assert supervisors(incoming) == []
    answered = await office.control.act(office.jane, leg=incoming.parties[1].id, action=Answer())
    assert supervisors(answered.session) == [("220", "coach")]
    assert answered.session.version == 2
    two_step = await office.dial(office.jane, OUTSIDE, two_step=True)
    await office.run_timers()
    assert supervisors(await office.session(two_step.session.id)) == [("220", "coach")]
    await office.control.set_device(boss, device_id=device(boss), action=StopSupervising())
    assert supervisors(await office.session(out.session.id)) == [("220", "coach")]
    assert supervisors((await talk(office)).session) == []


async def test_the_next_call_only(office: Office, boss: Principal) -> None:
    """After one call the supervision is over, and the supervisor's device is told so."""
    await supervise(office, boss, all_calls=False)
    first, second = await talk(office), await talk(office)
    assert supervisors(await office.session(first.session.id)) == [("220", "listen-in")]
    assert supervisors(await office.session(second.session.id)) == []
    state = await office.control.device(boss, device(boss))
    assert (state.settings.supervision, state.revision) == (None, 2)
    assert (await office.control.device(boss, device(office.jane))).supervisors == ()


async def test_a_supervisors_own_call_is_not_supervised_by_the_same(office: Office, boss: Principal) -> None:
    """Who talks with the supervised one is not let in a second time."""
    await supervise(office, boss)
    dialled = await office.dial(office.jane, "220")
    answered = await office.control.act(boss, leg=dialled.session.parties[1].id, action=Answer())
    assert len(answered.session.parties) == 2


async def test_supervision_is_one_setting_at_both_devices(office: Office, boss: Principal) -> None:
    """It is seen at the supervisor's device and at the supervised one; another one takes its place."""
    await supervise(office, boss)
    mine = await office.control.device(boss, device(boss))
    assert mine.settings.supervision is not None
    assert mine.settings.supervision.target.extension == "210"
    [supervisor] = (await office.control.device(boss, device(office.jane))).supervisors
    assert supervisor.address.extension == "220"
    await supervise(office, boss, mode=MonitorMode.COACH)
    [supervisor] = (await office.control.device(boss, device(office.jane))).supervisors
    assert supervisor.mode is MonitorMode.COACH
    action = Supervise(target=device(office.john))
    await office.control.set_device(boss, device_id=device(boss), action=action)
    assert (await office.control.device(boss, device(office.jane))).supervisors == ()
    assert len((await office.control.device(boss, device(office.john))).supervisors) == 1
