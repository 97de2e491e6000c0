"""Signatures of Standard Webhooks 1.0.0, version ``v1`` (HMAC-SHA256)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from relay.subscriptions.model import secret_key


class Signer:
    """Signs deliveries with every secret of a subscription, newest first."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = tuple(secret_key(secret) for secret in secrets)

    def __repr__(self) -> str:
        return f"Signer({len(self._keys)} keys)"

    def sign(self, delivery_id: str, timestamp: int, body: bytes) -> str:
        """Return the value of ``webhook-signature``: one ``v1,<base64>`` per secret, separated by spaces.

        Signed is ``<id>.<timestamp>.<body>``, exactly as sent; the timestamp is the attempt's, in seconds.
        """
        signed = b"%b.%d.%b" % (delivery_id.encode(), timestamp, body)
        return " ".join(
            "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in self._keys
        )
