"""The states of agents, and what each action makes of each."""

from __future__ import annotations

import pytest

from relay.calls.agents import (
    AgentAction,
    AgentState,
    AgentStatus,
    BeNotReady,
    BeReady,
    LogIn,
    LogOut,
    WorkMode,
    agent_state_after,
)

OUT = AgentState()
READY = AgentState(status=AgentStatus.READY)
NOT_READY = AgentState(status=AgentStatus.NOT_READY)
AT_LUNCH = AgentState(status=AgentStatus.NOT_READY, work_mode=WorkMode.AUX_WORK, reason="Lunch")
STATES = (OUT, READY, NOT_READY, AT_LUNCH)


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize(
    ("action", "after"),
    [
        (LogOut(), OUT),
        (BeReady(), READY),
        (BeNotReady(), NOT_READY),
        (BeNotReady(work_mode=WorkMode.AUX_WORK, reason="Lunch"), AT_LUNCH),
    ],
)
def test_every_state_can_be_entered_from_every_other(
    before: AgentState, action: AgentAction, after: AgentState
) -> None:
    """An agent's choice is always open to them, and leaves nothing of the state before."""
    assert agent_state_after(before, action) == after


@pytest.mark.parametrize(("before", "after"), [(OUT, NOT_READY), *((state, state) for state in STATES[1:])])
def test_logging_in_does_not_disturb_who_is_at_work(before: AgentState, after: AgentState) -> None:
    """A page that is loaded again logs in again: its agent stays as they were."""
    assert agent_state_after(before, LogIn()) == after
