"""Calls between jane and john, told as GWS tells them."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from msgspec.structs import replace

from relay.calls.events import CallEvent
from relay.calls.happenings import CallPlaced, Happening, LegAnswered, LegEnded, LegMade, LegRinging
from relay.calls.model import CallType, Session
from relay.dialects.gws.render import renderer
from relay.journal.commit import Change
from relay.journal.journal import Journal
from tests.harness.happening import apply
from tests.streaming.bayeux.pods import ACCOUNT, phone

RENDERER = renderer("https://relay.example")
STATES = ["Dialing", "Established", "Released"]
"""What a caller is told of a call that is answered."""


async def call(journal: Journal) -> list[dict[str, Any]]:
    """Have jane call john, who answers and hangs up; return what GWS tells jane, as JSON has it."""
    jane, john = phone("jane"), phone("john")
    session_id = str(uuid.uuid4())
    own, far = f"{session_id}-1", f"{session_id}-2"
    steps: list[list[Happening]] = [
        [
            CallPlaced(
                session_id=session_id,
                account=ACCOUNT,
                type=CallType.INTERNAL,
                caller_leg=own,
                caller=jane,
                destination=john,
            )
        ],
        [LegMade(leg=far, address=john, far=jane), LegRinging(leg=far)],
        [LegAnswered(leg=far)],
        [LegEnded(leg=far), LegEnded(leg=own)],
    ]
    session: Session | None = None
    for number, happenings in enumerate(steps):
        told: list[CallEvent] = []
        for happening in happenings:
            session, events = apply(session, happening, 1_763_717_404_218 + number)
            told += events
        assert session is not None
        assert await journal.commit(ACCOUNT, [Change(session)], told, nonce=f"{session_id}-{number}")
        session = replace(session, version=session.version + 1)
    page = await journal.history(ACCOUNT, None, limit=1000)
    shown = [
        RENDERER(entry.id, entry.event)
        for entry in page.entries
        if entry.event.session.id == session_id and entry.event.party.address.user_id == jane.user_id
    ]
    return [msgspec.json.decode(one.body) for one in shown if one is not None]
