"""Secrets that deliveries are signed with, in the forms of Standard Webhooks 1.0.0.

``whsec_`` begins a symmetric secret (signature ``v1``, HMAC-SHA256), ``whsk_`` a private and ``whpk_`` a
public key of Ed25519 (signature ``v1a``); base64 follows.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every symmetric secret begins with
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
SYMMETRIC: Final = "v1"
ASYMMETRIC: Final = "v1a"
SIGNATURES: Final = (SYMMETRIC, ASYMMETRIC)
SECRET_BYTES: Final = (24, 64)
"""Fewest and most random bytes in a symmetric secret (Standard Webhooks 1.0.0)."""

_SEED: Final = 32
_PAIR: Final = 64


def new_secret(signature: str = SYMMETRIC) -> str:
    """Make a secret of 32 random bytes for a kind of signature; behind a private key is its public one."""
    made = secrets.token_bytes(_SEED)
    if signature == SYMMETRIC:
        return SECRET_PREFIX + base64.b64encode(made).decode()
    public = Ed25519PrivateKey.from_private_bytes(made).public_key().public_bytes_raw()
    return PRIVATE_PREFIX + base64.b64encode(made + public).decode()


def signature_of(secret: str) -> str:
    """Return which signature a secret makes."""
    return ASYMMETRIC if secret.startswith(PRIVATE_PREFIX) else SYMMETRIC


def secret_key(secret: str) -> bytes:
    """Return the key bytes of a symmetric secret, with or without its prefix and padding.

    Raises:
        ValueError: it is no base64.

    """
    return _decoded(secret.removeprefix(SECRET_PREFIX))


def private_key(secret: str) -> Ed25519PrivateKey:
    """Return the key in a ``whsk_`` secret: 32 bytes, or 64 with the public key behind them.

    Raises:
        ValueError: it is none, or its public key is another's.

    """
    decoded = _decoded(secret.removeprefix(PRIVATE_PREFIX))
    if len(decoded) not in (_SEED, _PAIR):
        raise ValueError("a private key has 32 bytes, or 64 with its public key")
    key = Ed25519PrivateKey.from_private_bytes(decoded[:_SEED])
    if decoded[_SEED:] not in (b"", key.public_key().public_bytes_raw()):
        raise ValueError("the public key is not that of the private key")
    return key


def public_key(secret: str) -> str | None:
    """Return what verifies a secret's signatures, ``whpk_`` and base64; None for a symmetric secret.

    Raises:
        ValueError: it is a private key that cannot be read.

    """
    if signature_of(secret) == SYMMETRIC:
        return None
    return PUBLIC_PREFIX + base64.b64encode(private_key(secret).public_key().public_bytes_raw()).decode()


def check_key(secret: str) -> None:
    """Check that a stored secret can be read.

    Raises:
        ValueError: it cannot.

    """
    if signature_of(secret) == ASYMMETRIC:
        private_key(secret)
    else:
        secret_key(secret)


def check_secret(secret: str) -> None:
    """Check that deliveries can be signed with a secret.

    Raises:
        ValueError: says what is right.

    """
    fewest, most = SECRET_BYTES
    if secret.startswith(PRIVATE_PREFIX):
        private_key(secret)
    elif not (secret.startswith(SECRET_PREFIX) and fewest <= len(secret_key(secret)) <= most):
        raise ValueError(
            f"must be whsec_ and base64 of {fewest} to {most} random bytes, or whsk_ and an Ed25519 key"
        )


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("must be whsec_ or whsk_, and base64") from error
