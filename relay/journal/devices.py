"""Devices in the store: what is set at them, and the live legs that commits keep there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from relay.calls.devices import DeviceEvent, DeviceSettings, DeviceState
from relay.calls.lines import Line
from relay.journal.keys import LINE
from relay.journal.scripts import Script
from relay.journal.store import Store

_PUT: Final = Script("device_put")
_encoder: Final = msgspec.json.Encoder()
_settings: Final = msgspec.json.Decoder(DeviceSettings)
_line: Final = msgspec.json.Decoder(Line)


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
        # On the connection of commits, to share their batches: they are short, and every command needs them.
        found = await asyncio.gather(
            *[self._store.submit("HGETALL", keys.device(account, device)) for device in asked]
        )
        return {device: _state(fields) for device, fields in zip(asked, found, strict=True)}

    async def put_settings(self, event: DeviceEvent, *, revision: int) -> str | None:
        """Write a device's new settings with the record that tells of them; return the record's stream id.

        None: the settings are no longer at the revision they were read at.

        Raises:
            StoreUnavailableError: no answer; whether they were written is not known.

        """
        device = event.device.device_id
        if device is None:
            raise ValueError("settings are those of a device of ours")
        keys = self._store.keys(event.account)
        made = await self._store.run(
            _PUT,
            [keys.events, keys.device(event.account, device)],
            [event.account, _encoder.encode(event.settings), _encoder.encode(event), revision],
        )
        return None if made is None else str(made, "ascii")


def _state(fields: Any) -> DeviceState:
    settings = fields.get(b"settings")
    prefix = LINE.encode()
    lines = (_line.decode(value) for field, value in fields.items() if field.startswith(prefix))
    return DeviceState(
        settings=_settings.decode(settings) if settings is not None else DeviceSettings(),
        revision=int(fields.get(b"rev", 0)),
        lines=tuple(sorted(lines, key=lambda line: (line.session, line.leg))),
    )
