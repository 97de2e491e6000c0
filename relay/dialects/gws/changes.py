"""Notifications about what is no call: devices, and the channels that agents work on. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.calls.agents import AgentEvent
from relay.calls.devices import DeviceEvent
from relay.dialects.gws import resources, states
from relay.journal.record import Event
from relay.subscriptions.rendering import Rendered

DEVICES: Final = "/v2/me/devices"
CHANNELS: Final = "/v2/me/channels"
"""The channels these are told on."""

_encode = msgspec.json.Encoder().encode


def render_change(event: Event, api: str) -> Rendered | None:
    """Render a change of a device or an agent, or None for another event; `api` is as in `render.call`."""
    match event:
        case DeviceEvent(device=address):
            device = resources.device(
                address.device_id or "",
                address.number,
                event.settings,
                event.agent,
                supervisor=event.supervisor,
                api=api,
            )
            data = {"devices": [device], "messageType": "DeviceStateChangeMessage"}
            return _rendered(DEVICES, data, address.extension, address.user_id)
        case AgentEvent(user=user):
            data = {"channels": [states.channel(event.state)], "messageType": "ChannelStateChangeMessageV2"}
            return _rendered(CHANNELS, data, user.extension, user.user_id)
        case _:
            return None


def _rendered(channel: str, data: dict[str, Any], extension: str | None, user_id: str | None) -> Rendered:
    return Rendered(channel, _encode({"data": data, "channel": channel}), extension, user_id)
