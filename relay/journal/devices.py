"""Devices in the store: what is set at them, and the live legs that commits keep there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from relay.calls.devices import DeviceEvent, DeviceSettings, DeviceState, Supervision, Supervisor
from relay.calls.lines import Line
from relay.calls.presence import PresenceEvent
from relay.journal.keys import LINE, QUIET, SUPERVISOR
from relay.journal.link import Argument
from relay.journal.scripts import Script
from relay.journal.store import Store

_PUT: Final = Script("device_put")
_LINE: Final = LINE.encode()
_SUPERVISOR: Final = SUPERVISOR.encode()
_UNKNOWN: Final = DeviceState()
_encoder: Final = msgspec.json.Encoder()
_settings: Final = msgspec.json.Decoder(DeviceSettings)
_line: Final = msgspec.json.Decoder(Line)
_supervisor: Final = msgspec.json.Decoder(Supervisor)


class Devices:
    """The journal's part for devices."""

    _store: Store

    async def device_states(self, account: str, devices: Iterable[str]) -> dict[str, DeviceState]:
        """Return each device as it is; one of which nothing is known has default settings and no lines.

        Raises:
            StoreUnavailableError: no answer.

        """
        asked = list(dict.fromkeys(devices))
        if not asked:
            return {}
        keys = self._store.keys(account)
        found = await self._store.ask([("HGETALL", keys.device(account, device)) for device in asked])
        return {device: _state(fields) for device, fields in zip(asked, found, strict=True)}

    async def put_settings(self, event: DeviceEvent, before: DeviceState) -> str | None:
        """Write a device's new settings with the record that tells of them; return the record's stream id.

        Whom it supervises is written at that device too, and whether it takes no calls in its user's
        presence. None: the settings are no longer as before.

        Raises:
            StoreUnavailableError: no answer; whether they were written is not known.

        """
        device = event.device.device_id
        if device is None:
            raise ValueError("settings are those of a device of ours")
        keys = self._store.keys(event.account)
        targets = _supervised(event, before.settings.supervision)
        arguments: list[Argument] = [
            event.account,
            _encoder.encode(event.settings),
            open_ended(event),
            before.revision,
            *_presence(event, before.settings),
        ]
        for supervisor in targets.values():
            arguments += (SUPERVISOR + device, _encoder.encode(supervisor) if supervisor else "")
        account, user = event.account, event.device.user_id or ""
        own = [keys.device(account, device), keys.agent(account, user), keys.presence(account, user)]
        touched = [keys.events, keys.log(account), *own, *(keys.device(account, one) for one in targets)]
        made = await self._store.run(_PUT, touched, arguments)
        return None if made is None else str(made, "ascii")


def _presence(event: DeviceEvent, before: DeviceSettings) -> Iterator[Argument]:
    """Give what a change tells of its user's presence; empty where it tells nothing."""
    quiet, device = event.settings.do_not_disturb, event.device.device_id or ""
    if event.device.user_id is None or quiet == before.do_not_disturb:
        yield from ("", "", "")
        return
    told = PresenceEvent(account=event.account, user=event.device, time=event.time)
    yield _encoder.encode(told)[:-1]  # the store puts the calls in
    yield QUIET + device
    yield _encoder.encode(device) if quiet else ""


def open_ended(event: DeviceEvent) -> bytes:
    """Return a record's JSON without its end, where the store puts what it knows."""
    return _encoder.encode(event)[:-1]


def _supervised(event: DeviceEvent, before: Supervision | None) -> dict[str, Supervisor | None]:
    """Return each device whose supervision changes, with the supervisor it has from now on."""
    after = event.settings.supervision
    if after == before:
        return {}
    targets: dict[str, Supervisor | None] = {}
    if before is not None and before.target.device_id is not None:
        targets[before.target.device_id] = None
    if after is not None and after.target.device_id is not None:
        targets[after.target.device_id] = Supervisor(
            address=event.device, mode=after.mode, all_calls=after.all_calls
        )
    return targets


def _state(fields: Mapping[bytes, bytes]) -> DeviceState:
    if not fields:
        return _UNKNOWN
    lines: list[Line] = []
    supervisors: dict[bytes, Supervisor] = {}
    for field, text in fields.items():
        if field.startswith(_LINE):
            lines.append(_line.decode(text))
        elif field.startswith(_SUPERVISOR):
            supervisors[field] = _supervisor.decode(text)
    settings = fields.get(b"settings")
    return DeviceState(
        settings=_settings.decode(settings) if settings is not None else _UNKNOWN.settings,
        revision=int(fields.get(b"rev", 0)),
        lines=tuple(sorted(lines, key=lambda line: (line.session, line.leg))),
        supervisors=tuple(supervisors[field] for field in sorted(supervisors)),
    )
