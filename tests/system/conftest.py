"""Fixtures of the tests that run the service as a process."""

from tests.harness.fixtures import http, new_relay, receiver, relay
from tests.harness.stage import stage

__all__ = ["http", "new_relay", "receiver", "relay", "stage"]
