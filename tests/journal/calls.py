"""Small calls for tests of the journal: placed by a number, to be ended."""

from __future__ import annotations

from msgspec.structs import replace

from relay.calls.events import CallEvent
from relay.calls.happenings import CallPlaced, LegEnded
from relay.calls.model import Address, CallType, Session
from relay.journal.commit import Change
from relay.journal.journal import Journal
from tests.harness.happening import apply

ACCOUNT = "account-of-the-tests"
OTHER_ACCOUNT = "another-account"

HERE = Address(number="15000", extension="210", device_id="device-1")
THERE = Address(number="15002", extension="200", device_id="device-2")


def placed(name: str, *, account: str = ACCOUNT, now: int = 1000) -> tuple[Session, tuple[CallEvent, ...]]:
    """Return a new call whose caller's leg is ``<name>-leg``, and its event."""
    call = CallPlaced(
        session_id=name,
        account=account,
        type=CallType.INTERNAL,
        caller_leg=f"{name}-leg",
        caller=HERE,
        destination=THERE,
    )
    return apply(None, call, now)


def ended(session: Session, *, now: int = 2000) -> tuple[Session, tuple[CallEvent, ...]]:
    """Return the call after its caller's leg was released, and its event."""
    return apply(session, LegEnded(leg=f"{session.id}-leg"), now)


def at(session: Session, version: int) -> Session:
    """Return the session as if read at a version."""
    return replace(session, version=version)


async def place(journal: Journal, name: str, *, account: str = ACCOUNT, now: int = 1000) -> Session:
    """Commit a new call and return it as it is stored."""
    session, events = placed(name, account=account, now=now)
    assert await journal.commit(account, [Change(session)], events, nonce=f"place-{name}")
    return at(session, 1)


async def end(journal: Journal, session: Session) -> None:
    """Commit the call's end."""
    changed, events = ended(session)
    assert await journal.commit(session.account, [Change(changed)], events, nonce=f"end-{session.id}")
