"""The end of a supervision that was for one call."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from relay.calls.devices import DeviceEvent, Supervisor
from relay.journal.journal import Journal


async def end_single_supervisions(
    journal: Journal, account: str, joined: Iterable[Supervisor], now: int
) -> None:
    """End the supervisions that were for the next call only, now that their supervisor takes part in it.

    Told of as a change of the supervisor's device. It follows the commit that let the supervisor in: should
    the process end in between, the supervisor takes part in one more call.
    """
    for supervisor in joined:
        device = supervisor.address.device_id
        if supervisor.all_calls or device is None:
            continue
        state = (await journal.device_states(account, [device]))[device]
        if state.settings.supervision is not None and not state.settings.supervision.all_calls:
            settings = replace(state.settings, supervision=None)
            event = DeviceEvent(
                account=account, device=supervisor.address, settings=settings, time=now, supervisor=True
            )
            await journal.put_settings(event, state)
