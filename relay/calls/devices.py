"""What is set at a device of ours, what can be asked of it, and what is told of it. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from relay.calls.lines import Line
from relay.calls.model import Address


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What its user has set; it acts on calls that arrive from then on."""

    do_not_disturb: bool = False
    """Whoever calls finds it busy."""
    forward_to: Address | None = None
    """Calls for it go there instead, also while it must not be disturbed."""


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the store has it."""

    settings: DeviceSettings = DeviceSettings()
    revision: int = 0
    """Raised by every change of the settings."""
    lines: tuple[Line, ...] = ()
    """Its live legs."""


class DeviceOperation(StrEnum):
    """What can be asked of a device."""

    DO_NOT_DISTURB_ON = "do-not-disturb-on"
    DO_NOT_DISTURB_OFF = "do-not-disturb-off"
    FORWARD_ON = "forward-on"
    FORWARD_OFF = "forward-off"


class DoNotDisturb(msgspec.Struct, frozen=True):
    """Take calls no longer, or again."""

    on: bool

    @property
    def operation(self) -> DeviceOperation:
        """What it needs."""
        return DeviceOperation.DO_NOT_DISTURB_ON if self.on else DeviceOperation.DO_NOT_DISTURB_OFF


class ForwardCalls(msgspec.Struct, frozen=True):
    """Have calls go somewhere else, or here again."""

    destination: str | None
    """None: nowhere else."""

    @property
    def operation(self) -> DeviceOperation:
        """What it needs."""
        return DeviceOperation.FORWARD_OFF if self.destination is None else DeviceOperation.FORWARD_ON


DeviceAction = DoNotDisturb | ForwardCalls


def device_capabilities(settings: DeviceSettings) -> frozenset[DeviceOperation]:
    """Return what a device allows as it is set: each switch only the other way."""
    disturbing = DeviceOperation.DO_NOT_DISTURB_OFF, DeviceOperation.DO_NOT_DISTURB_ON
    forwarding = DeviceOperation.FORWARD_OFF, DeviceOperation.FORWARD_ON
    return frozenset(
        {disturbing[not settings.do_not_disturb], forwarding[settings.forward_to is None]},
    )


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of a device's settings: the data of a journal record of its own kind."""

    account: str
    device: Address
    """Whose it is, and its number."""
    settings: DeviceSettings
    """As they are now."""
    time: int
    """Milliseconds since the epoch."""
    command_id: str | None = None
    traceparent: str | None = None
