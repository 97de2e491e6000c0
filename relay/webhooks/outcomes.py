"""What is kept of a request and its answer."""

from __future__ import annotations

from relay.webhooks.attempts import SCHEDULE, Attempt, ErrorCode
from relay.webhooks.sender import Answer, Failure


def attempt_of(
    answer: Answer | Failure, began: float, took: float, *, failed: bool, trigger: str = SCHEDULE
) -> Attempt:
    """Return what is kept of a request that was begun at ``began`` and took so many seconds."""
    at, duration = round(began * 1000), round(took * 1000)
    if isinstance(answer, Failure):
        return Attempt(at=at, duration_ms=duration, error=answer.error, trigger=trigger)
    text = answer.body.decode(errors="replace")
    if answer.truncated:  # perhaps within a character
        text = text.rstrip("\N{REPLACEMENT CHARACTER}")
    return Attempt(
        at=at,
        duration_ms=duration,
        status_code=answer.status,
        error=ErrorCode.HTTP_STATUS if failed else None,
        response=text,
        truncated=answer.truncated,
        trigger=trigger,
    )


def status_of(answer: Answer | Failure) -> int | None:
    """Return an answer's status, None where there is none."""
    return answer.status if isinstance(answer, Answer) else None
