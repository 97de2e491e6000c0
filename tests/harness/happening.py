"""What happens to one call, one thing after another."""

from __future__ import annotations

from typing import Any

from relay.calls.events import CallEvent
from relay.calls.happenings import Happening, Step
from relay.calls.model import Session
from relay.calls.transitions import apply_steps


def apply(
    session: Session | None, happening: Happening, now: int, **options: Any
) -> tuple[Session, tuple[CallEvent, ...]]:
    """Return the session after one happening, None only before `CallPlaced`; options are `apply_steps`'."""
    known = () if session is None else (session,)
    at = getattr(happening, "session_id", "") if session is None else session.id
    sessions, events = apply_steps(known, [Step(at, happening)], now, **options)
    return sessions[at], events
