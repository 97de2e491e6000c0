"""Signatures of Standard Webhooks 1.0.0: ``v1`` (HMAC-SHA256) and ``v1a`` (Ed25519)."""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from functools import partial

from relay.subscriptions.model import Retired
from relay.subscriptions.signing_keys import ASYMMETRIC, private_key, secret_key, signature_of


class Signer:
    """Signs deliveries with a subscription's secrets, newest first, and those replaced while in grace."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str], retired: Sequence[Retired] = ()) -> None:
        self._keys: list[tuple[bytes, Callable[[bytes], bytes], int | None]] = [
            (*_signing(secret), None) for secret in secrets
        ]
        self._keys += [(*_signing(one.secret), one.until) for one in retired]

    def __repr__(self) -> str:
        return f"Signer({len(self._keys)} keys)"

    def sign(self, delivery_id: bytes, at: float, body: bytes) -> bytes:
        """Return the value of ``webhook-signature``: a ``v1,<base64>`` or ``v1a,<base64>`` for each secret.

        Signed is ``<id>.<timestamp>.<body>``, exactly as sent; the timestamp is the attempt's time,
        ``at``, in whole seconds.
        """
        signed = b"%b.%d.%b" % (delivery_id, at, body)
        return b" ".join(
            [
                prefix + b2a_base64(sign(signed), newline=False)
                for prefix, sign, until in self._keys
                if until is None or at * 1000 < until
            ]
        )


def _signing(secret: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    if signature_of(secret) == ASYMMETRIC:
        return b"v1a,", private_key(secret).sign
    return b"v1,", partial(_keyed_hash, hmac.new(secret_key(secret), digestmod="sha256"))


def _keyed_hash(keyed: hmac.HMAC, signed: bytes) -> bytes:
    """Return the hash by a key that was taken before: taking it costs as much as hashing an event."""
    one = keyed.copy()
    one.update(signed)
    return one.digest()
