"""What every part of control works with."""

from __future__ import annotations

from collections.abc import Callable

from relay.calls.model import Party, Session
from relay.control.changing import Changing
from relay.control.destinations import Destinations
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import DrainingError, NotFoundError
from relay.journal.journal import Journal
from relay.switch.protocol import Switch


class Parts:
    """The journal, the directory, the switch, a clock, and whether new commands are taken."""

    def __init__(
        self, journal: Journal, directory: Directory, switch: Switch, now: Callable[[], int]
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._switch = switch
        self._now = now
        self._changing = Changing(journal, switch, now)
        self._draining = False

    def drain(self) -> None:
        """Refuse new commands from now on; those on their way go on, and so do timers and reads."""
        self._draining = True

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise DrainingError("this process is stopping")

    def _destinations(self, principal: Principal) -> Destinations:
        return Destinations(self._directory, principal)


def leg_of(session: Session, leg: str) -> Party:
    """Return a session's leg; NotFoundError if it has no such leg."""
    party = session.party(leg)
    if party is None:
        raise NotFoundError("no such call leg")
    return party
