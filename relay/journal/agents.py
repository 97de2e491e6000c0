"""The states that users are in, in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from relay.calls.agents import Agent, AgentEvent, AgentState
from relay.calls.devices import DeviceEvent
from relay.journal.devices import open_ended
from relay.journal.scripts import Script
from relay.journal.store import Store

_PUT: Final = Script("agent_put")
_encoder: Final = msgspec.json.Encoder()
_state: Final = msgspec.json.Decoder(AgentState)


class Agents:
    """The journal's part for agents."""

    _store: Store

    async def agent(self, account: str, user: str) -> Agent:
        """Return a user's state; one of whom nothing is known is logged out.

        Raises:
            StoreUnavailableError: no answer.

        """
        key = self._store.keys(account).agent(account, user)
        state, revision = await self._store.call("HMGET", key, "state", "rev")
        return Agent() if state is None else Agent(state=_state.decode(state), revision=int(revision))

    async def put_agent(self, event: AgentEvent, devices: Sequence[DeviceEvent], before: Agent) -> str | None:
        """Write a user's new state with a record that tells of it, and one for each of the user's devices.

        The store puts settings and state into the devices' records. Returns the first record's stream id.
        None: the state is no longer as before.

        Raises:
            StoreUnavailableError: no answer; whether it was written is not known.

        """
        keys = self._store.keys(event.account)
        touched = [keys.device(event.account, one.device.device_id or "") for one in devices]
        made = await self._store.run(
            _PUT,
            [
                keys.events,
                keys.log(event.account),
                keys.agent(event.account, event.user.user_id or ""),
                *touched,
            ],
            [
                event.account,
                _encoder.encode(event.state),
                _encoder.encode(event),
                before.revision,
                *map(open_ended, devices),
            ],
        )
        return None if made is None else str(made, "ascii")
