from __future__ import annotations

from relay.calls.happenings import LegEnded, LegMade
from relay.calls.model import CallType
from relay.dialects.gws.viewpoints import READABLE_AFTER_RELEASE, own_leg, readable, shown_leg
from relay.directory.model import Principal, User
from tests.dialects.gws.calls import CALLEE_LEG, CALLER_LEG, JANE, JOHN, OUTSIDE, Told


def user(user_id: str, *roles: str) -> Principal:
    """Return a principal with that user id."""
    found = User(
        id=user_id,
        login="x",
        first_name="",
        last_name="",
        extension=None,
        devices=(),
        roles=frozenset(roles),
        ringcentral_id="1",
    )
    return Principal("account", found)


CALLER = user(JANE.user_id or "", "agent")
CALLEE = user(JOHN.user_id or "", "agent")
OTHER = user("c" * 32, "agent")
ADMIN = user("d" * 32, "admin")


def test_each_user_sees_the_own_leg_and_an_admin_the_first_of_ours() -> None:
    """One session is another call to each of its users; who takes no part and is no admin sees none."""
    session = Told().then(LegMade(leg=CALLEE_LEG, address=JOHN, far=JANE)).session
    seen = [shown_leg(session, who) for who in (CALLER, CALLEE, OTHER, ADMIN)]
    assert [leg and leg.id for leg in seen] == [CALLER_LEG, CALLEE_LEG, None, CALLER_LEG]
    inbound = Told(OUTSIDE, JOHN, CallType.INBOUND).then(LegMade(leg=CALLEE_LEG, address=JOHN, far=OUTSIDE))
    shown = shown_leg(inbound.session, ADMIN)
    assert shown is not None
    assert shown.id == CALLEE_LEG
    assert own_leg(inbound.session, ADMIN) is None


def test_a_released_call_can_be_read_for_a_minute() -> None:
    """Within a minute of its end a call is shown; from then on there is none."""
    told = Told()
    assert readable(told.session.parties[0], told.now + 10 * READABLE_AFTER_RELEASE)
    [leg] = told.then(LegEnded(leg=CALLER_LEG)).session.parties
    assert readable(leg, told.now + READABLE_AFTER_RELEASE - 1)
    assert not readable(leg, told.now + READABLE_AFTER_RELEASE)
