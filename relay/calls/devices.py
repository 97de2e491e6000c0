"""What is set at a device of ours, what can be asked of it, and what is told of it. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import msgspec

from relay.calls.agents import AgentState
from relay.calls.lines import Line
from relay.calls.model import Address, MonitorMode


class Scope(StrEnum):
    """What a supervisor follows. Either way the supervision of a call ends with the agent's leg of it."""

    AGENT = "agent"
    CALL = "call"


class Supervision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose calls a supervisor's device takes part in, and how."""

    target: Address
    mode: MonitorMode
    scope: Scope = Scope.CALL
    all_calls: bool = True
    """False: the next one only."""


class Supervisor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same, kept at the supervised device."""

    address: Address
    """The supervisor's device."""
    mode: MonitorMode
    all_calls: bool = True


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What its user has set; it acts on calls that arrive from then on."""

    do_not_disturb: bool = False
    """Whoever calls finds it busy."""
    forward_to: Address | None = None
    """Calls for it go there instead, also while it must not be disturbed."""
    supervision: Supervision | None = None
    """Whose calls it takes part in once they are picked up."""


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the store has it."""

    settings: DeviceSettings = DeviceSettings()
    revision: int = 0
    """Raised by every change of the settings."""
    lines: tuple[Line, ...] = ()
    """Its live legs."""
    supervisors: tuple[Supervisor, ...] = ()
    """Devices that take part in its calls."""


class DeviceOperation(StrEnum):
    """What can be asked of a device."""

    DO_NOT_DISTURB_ON = "do-not-disturb-on"
    DO_NOT_DISTURB_OFF = "do-not-disturb-off"
    FORWARD_ON = "forward-on"
    FORWARD_OFF = "forward-off"
    SUPERVISE = "supervise"
    STOP_SUPERVISING = "stop-supervising"


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


class Supervise(msgspec.Struct, frozen=True, kw_only=True):
    """Take part in another device's calls from now on."""

    target: str
    """Id of the other device."""
    mode: MonitorMode = MonitorMode.LISTEN
    scope: Scope = Scope.CALL
    all_calls: bool = True
    operation: ClassVar[DeviceOperation] = DeviceOperation.SUPERVISE


class StopSupervising(msgspec.Struct, frozen=True):
    """Take part in no further calls; those under way go on."""

    operation: ClassVar[DeviceOperation] = DeviceOperation.STOP_SUPERVISING


DeviceAction = DoNotDisturb | ForwardCalls | Supervise | StopSupervising


def device_capabilities(settings: DeviceSettings, *, supervisor: bool) -> frozenset[DeviceOperation]:
    """Return what a device allows as it is set, each switch only the other way; supervision to some.

    Who supervises may go on to another device, or another way, without an end in between.
    """
    switches = [
        (settings.do_not_disturb, DeviceOperation.DO_NOT_DISTURB_OFF, DeviceOperation.DO_NOT_DISTURB_ON),
        (settings.forward_to is not None, DeviceOperation.FORWARD_OFF, DeviceOperation.FORWARD_ON),
    ]
    allowed = {off if is_on else on for is_on, off, on in switches}
    if supervisor:
        allowed.add(DeviceOperation.SUPERVISE)
        if settings.supervision is not None:
            allowed.add(DeviceOperation.STOP_SUPERVISING)
    return frozenset(allowed)


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of a device's settings or of its user's state: the data of a journal record of its own kind.

    What the change is not about is put in by the store, as it is there.
    """

    account: str
    device: Address
    """Whose it is, and its number."""
    time: int
    """Milliseconds since the epoch."""
    settings: DeviceSettings = DeviceSettings()
    """As they are now."""
    agent: AgentState = AgentState()
    """The state its user is in now."""
    supervisor: bool = False
    """Its user may take part in others' calls."""
    command_id: str | None = None
    traceparent: str | None = None
