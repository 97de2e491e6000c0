"""What is kept of a request and its answer."""

from __future__ import annotations

from relay.webhooks.attempts import SCHEDULE, Attempt, ErrorCode
from relay.webhooks.manners import Manner
from relay.webhooks.policy import Verdict
from relay.webhooks.sender import Answer, Failure


def attempt_of(
    answer: Answer | Failure, began: float, took: float, manner: Manner, *, trigger: str = SCHEDULE
) -> Attempt:
    """Return what is kept of a request that was begun at ``began`` and took so many seconds."""
    at, duration = round(began * 1000), round(took * 1000)
    match answer:
        case Failure(error):
            return Attempt(at=at, duration_ms=duration, error=error, trigger=trigger)
        case Answer(status, body, truncated, _):
            failed = manner.judge(status) is not Verdict.SUCCESS
            return Attempt(
                at=at,
                duration_ms=duration,
                status_code=status,
                error=ErrorCode.HTTP_STATUS if failed else None,
                response=body.decode(errors="replace"),
                truncated=truncated,
                trigger=trigger,
            )
