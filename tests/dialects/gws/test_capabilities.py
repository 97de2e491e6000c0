"""In every state a call takes an operation exactly when it lists it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from relay.dialects.gws.operations import CALL_OPERATIONS
from tests.dialects.gws.playing import Play

DATA = ["AttachUserData", "DeleteUserData", "DeleteUserDataPair", "UpdateUserData"]
LEADING = ["InitiateConference", "InitiateTransfer", "SingleStepConference", "SingleStepTransfer"]
TALKING = [*DATA, *LEADING, "Hangup", "Hold", "MuteCall", "SendDtmf", "StartCallRecording"]
HELD = [*DATA, *LEADING, "Hangup"]
PAIRED = ["CompleteConference", "CompleteTransfer", "MergeWithOtherCall", "SwapCalls"]


async def _dialing(play: Play) -> None:
    await play("jane", "Dial", destination="15002")


async def _ringing(play: Play) -> None:
    await play("john", "Dial", destination="15000")


async def _talking(play: Play) -> None:
    await play.talk()


def _then(before: Callable[[Play], Awaitable[None]], *steps: tuple[str, str, int, dict[str, Any]]) -> Any:
    async def set_up(play: Play) -> None:
        await before(play)
        for user, operation, call, parameters in steps:
            await play(user, operation, call, **parameters)

    return set_up


_CONSULTING = _then(_talking, ("jane", "InitiateTransfer", 1, {"destination": "15003"}))
_ADVISED = _then(_CONSULTING, ("alex", "Answer", 2, {}))
_RECORDED = _then(_talking, ("jane", "StartCallRecording", 1, {}))
_CONFERENCE = _then(
    _talking, ("jane", "SingleStepConference", 1, {"destination": "15003"}), ("alex", "Answer", 1, {})
)

SITUATIONS: Final[list[tuple[Any, str, int, list[str]]]] = [
    (_dialing, "jane", 1, [*DATA, "Hangup", "SendDtmf"]),
    (_ringing, "jane", 1, [*DATA, "Answer", "Hangup"]),
    (_talking, "jane", 1, TALKING),
    (_talking, "john", 1, TALKING),
    (_then(_talking, ("jane", "Hold", 1, {})), "jane", 1, [*HELD, "Retrieve"]),
    (_then(_talking, ("jane", "Hold", 1, {})), "john", 1, TALKING),
    (_then(_talking, ("jane", "MuteCall", 1, {})), "jane", 1, [*set(TALKING) - {"MuteCall"}, "UnmuteCall"]),
    (
        _RECORDED,
        "jane",
        1,
        [*set(TALKING) - {"StartCallRecording"}, "PauseCallRecording", "StopCallRecording"],
    ),
    (
        _then(_RECORDED, ("jane", "PauseCallRecording", 1, {})),
        "jane",
        1,
        [*set(TALKING) - {"StartCallRecording"}, "ResumeCallRecording", "StopCallRecording"],
    ),
    (_CONSULTING, "jane", 1, [*HELD, "CompleteTransfer", "Retrieve"]),
    (_CONSULTING, "jane", 2, [*DATA, "CompleteTransfer", "Hangup", "SendDtmf"]),
    (_CONSULTING, "alex", 2, [*DATA, "Answer", "Hangup"]),
    (_ADVISED, "jane", 1, [*HELD, *PAIRED]),
    (_ADVISED, "jane", 2, [*TALKING, *PAIRED]),
    (_ADVISED, "alex", 2, TALKING),
    (_CONFERENCE, "jane", 1, [*TALKING, "ClearCall", "RemoveParticipantFromConference"]),
    (_CONFERENCE, "alex", 1, [*TALKING, "ClearCall"]),
    (_then(_CONFERENCE, ("john", "Hold", 1, {})), "john", 1, [*HELD, "ClearCall", "Retrieve"]),
    (_then(_talking, ("john", "Hangup", 1, {})), "jane", 1, []),
]


def parameters(play: Play, operation: str, call: int) -> dict[str, Any]:
    """Return what an operation needs, right wherever it is listed."""
    other = play.uri(3 - call) if len(play.calls) > 1 else play.uri(1)
    needs: dict[str, dict[str, Any]] = {
        "SendDtmf": {"digits": "1"},
        "AttachUserData": {"userData": {"k": "v"}},
        "UpdateUserData": {"userData": {"k": "v"}},
        "DeleteUserDataPair": {"key": "k"},
        "SwapCalls": {"otherCallUri": other},
        "MergeWithOtherCall": {"otherCallUri": other},
        "RemoveParticipantFromConference": {"participant": "15002"},
        "SetCallDisposition": {"disposition": "done"},
        **{operation: {"destination": "+12025550123"} for operation in LEADING},
    }
    return needs.get(operation, {})


@pytest.mark.parametrize(("set_up", "user", "call", "expected"), SITUATIONS)
async def test_listed_is_taken_and_nothing_else(
    play: Play, set_up: Any, user: str, call: int, expected: list[str]
) -> None:
    """Each operation is asked in the same situation: listed ones succeed, the others change nothing."""
    refused = sorted(CALL_OPERATIONS.keys() - {*expected, "SetCallDisposition"})
    await set_up(play)
    path = f"/me/calls/{play.calls[call - 1]}"
    shown = await play.face.call(path, user)
    assert sorted(shown["capabilities"]) == sorted(expected)
    for operation in refused:
        answer = await play.ask(user, operation, call, **parameters(play, operation, call))
        assert answer[:2] == (400, 2), operation
    assert (await play.hear(), await play.face.call(path, user)) == ([], shown)
    for operation in expected:
        answer = await play.ask(user, operation, call, **parameters(play, operation, call))
        assert answer[:2] == (200, 0), operation
        assert await play.hear() or operation == "DeleteUserDataPair", operation
        await play.hang_up_all()
        play.calls.clear()
        await set_up(play)


async def test_a_refusal_names_what_is_listed(play: Play) -> None:
    """By the names that capabilities have, and which clients know."""
    await play("jane", "Dial", destination="15002")
    told = (await play.ask("jane", "Hold", 1)).body["statusMessage"]
    listed = ", ".join(sorted(play.last("jane")["capabilities"]))
    assert told == f"Hold is not allowed now; allowed: {listed}"
