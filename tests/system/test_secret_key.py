"""RELAY_SECRET_KEY, as an operator meets it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp import ClientSession

from relay.errors import ConfigurationError
from relay.settings import Settings
from tests.harness.demo import ADMIN
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in range(2))


async def refused(relay: RelayProcess) -> str:
    """Return what a start that must fail says last."""
    relay.launch()
    assert await relay.ended() != 0
    return relay.output.strip().splitlines()[-1]


async def test_a_store_that_was_sealed_needs_its_key(new_relay: NewRelay, http: ClientSession) -> None:
    """Without it, or with another one, relay does not start and says why; secrets are in no output."""
    relay = new_relay(secret_key=OLD)
    await relay.start()
    client = V3(http, relay.url, ADMIN)
    made: dict[str, Any] = await client.subscribe("http://127.0.0.1:9/", headers={"X-Key": "hidden-value"})
    assert await relay.stop() == 0

    relay.settings["secret_key"] = NEW
    assert "RELAY_SECRET_KEY does not open what the store holds" in await refused(relay)
    del relay.settings["secret_key"]
    assert "RELAY_SECRET_KEY is not set" in await refused(relay)
    relay.settings["secret_key"] = f"{NEW},{OLD}"
    await relay.start()
    async with http.get(
        f"{relay.url}/v3/subscriptions/{made['id']}/secret", headers={"Authorization": "Bearer demo-admin"}
    ) as response:
        assert await response.json() == {"secret": made["secret"]}
    stored = b"".join(path.read_bytes() for path in relay.data.rglob("*") if path.is_file())
    for secret in (OLD, NEW, made["secret"], "hidden-value"):
        assert secret not in relay.output
        assert secret.encode() not in stored


@pytest.mark.parametrize("given", ["x", base64.b64encode(bytes(31)).decode(), f"{OLD},short", "not base64!"])
def test_a_key_that_is_none_is_refused(given: str) -> None:
    """With what a key is; the value is not repeated, and a good one is not shown."""
    with pytest.raises(ConfigurationError, match="RELAY_SECRET_KEY: must be base64 of 32") as error:
        Settings.from_environment({"RELAY_SECRET_KEY": given})
    assert given not in str(error.value)
    read = Settings.from_environment({"RELAY_SECRET_KEY": f" {NEW.replace('+', '-')}, {OLD} "})
    assert read.secret_key == (bytes([1]) * 32, bytes(32))
    assert repr(read) == "Settings(secret_key=***)"
