"""What the calls at one device must know of one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from relay.calls.model import Party, PartyState, Session


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A live leg at a device, as the other calls there see it; a supervisor's is none to them."""

    session: str
    leg: str
    state: PartyState
    talking: bool = False
    """Somebody else in its call has been picked up: it can be left without leaving nobody."""
    consults: str | None = None
    """The leg it asks advice for."""
    hosts: bool = False
    """It owns a call that was placed as a conference."""
    alone: bool = False
    """It does so, and nobody else is in it."""

    @property
    def present(self) -> bool:
        """Whether its phone was picked up, held or not."""
        return self.state in (PartyState.ANSWERED, PartyState.HELD)


Lines = Mapping[str, Sequence[Line]]
"""Devices' live legs by device id."""


def is_line(party: Party) -> bool:
    """Tell whether the other calls at a leg's device must know of it; a parked one has left the device."""
    at_phone = party.live and party.state is not PartyState.PARKED
    return at_phone and party.ours and party.monitors is None


def line_of(session: Session, party: Party) -> Line:
    """Return a leg as the other calls at its device see it."""
    others = [other for other in session.live_others(party) if other.monitors is None]
    hosts = session.conference and party.owner
    return Line(
        session=session.id,
        leg=party.id,
        state=party.state,
        talking=any(other.present for other in others),
        consults=party.consults,
        hosts=hosts,
        alone=hosts and not others,
    )


def lines_of(sessions: Iterable[Session]) -> dict[str, list[Line]]:
    """Return the live legs at devices of ours in these sessions."""
    found: dict[str, list[Line]] = {}
    for session in sessions:
        for party in session.parties:
            if is_line(party) and party.address.device_id is not None:
                found.setdefault(party.address.device_id, []).append(line_of(session, party))
    return found


def beside(party: Party, lines: Lines) -> tuple[Line, ...]:
    """Return the other legs at a leg's device."""
    at_device = lines.get(party.address.device_id or "", ())
    return tuple(line for line in at_device if line.leg != party.id)
