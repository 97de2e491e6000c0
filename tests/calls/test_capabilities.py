"""Capabilities: what a leg allows in each state."""

from __future__ import annotations

import pytest

from relay.calls.capabilities import capabilities
from relay.calls.model import Party, PartyState, Role
from tests.calls.calling import JANE, JOHN

USER_DATA = "set-user-data"


@pytest.mark.parametrize(
    ("role", "state", "allowed"),
    [
        (Role.CALLER, PartyState.SETUP, {"hangup", "send-dtmf", USER_DATA}),
        (Role.CALLER, PartyState.ANSWERED, {"hangup", "send-dtmf", USER_DATA}),
        (Role.CALLEE, PartyState.SETUP, {"answer", "reject", "hangup", USER_DATA}),
        (Role.CALLEE, PartyState.PROCEEDING, {"answer", "reject", "hangup", USER_DATA}),
        (Role.CALLEE, PartyState.ANSWERED, {"hangup", "send-dtmf", USER_DATA}),
        (Role.CALLER, PartyState.DISCONNECTED, set()),
        (Role.CALLEE, PartyState.GONE, set()),
    ],
)
def test_a_legs_role_and_state_tell_what_it_allows(role: Role, state: PartyState, allowed: set[str]) -> None:
    """Only an alerted leg can be answered or rejected, only a live one anything at all."""
    party = Party(id="leg", role=role, address=JANE, far=JOHN, created_at=0, state=state)
    assert capabilities(party) == allowed
