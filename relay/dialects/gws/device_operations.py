"""Every operation a device takes by POST: its parameters, and what it asks of the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from marshmallow import Schema

from relay.calls.devices import DeviceAction, DoNotDisturb, ForwardCalls, Scope, StopSupervising, Supervise
from relay.calls.model import MonitorMode
from relay.dialects.gws import schemas
from relay.dialects.gws.resources import MONITOR_MODES


class DeviceOperation(NamedTuple):
    """One operation."""

    schema: Schema
    action: Callable[..., DeviceAction]
    """Makes what is asked for of the schema's members; those of `schemas.Monitoring` have a found target."""


def _supervise(how: MonitorMode, *, target: str, scope: str, mode: str, **_others: Any) -> DeviceAction:
    return Supervise(target=target, mode=how, scope=Scope(scope.lower()), all_calls=mode == "AllCalls")


_NOTHING: Final = schemas.Operation()
_MONITORING: Final = schemas.Monitoring()

DEVICE_OPERATIONS: Final[dict[str, DeviceOperation]] = {
    "DoNotDisturbOn": DeviceOperation(_NOTHING, lambda: DoNotDisturb(on=True)),
    "DoNotDisturbOff": DeviceOperation(_NOTHING, lambda: DoNotDisturb(on=False)),
    "ForwardCallsOn": DeviceOperation(schemas.Forwarding(), ForwardCalls),
    "ForwardCallsOff": DeviceOperation(_NOTHING, lambda: ForwardCalls(None)),
    **{name: DeviceOperation(_MONITORING, partial(_supervise, how)) for how, name in MONITOR_MODES.items()},
    "CancelSupervisorMonitoring": DeviceOperation(_NOTHING, StopSupervising),
}
