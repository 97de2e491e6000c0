"""Secrets of subscriptions at rest: sealed with AES-256-GCM when RELAY_SECRET_KEY is set.

Sealed together are the URL, signing secrets, custom headers and the verification token: whatever lets
somebody else speak for relay or for its users. A seal names its key and holds for one subscription only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Final, final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.errors import ConfigurationError, UnavailableError
from relay.journal.keys import META
from relay.journal.store import Store
from relay.subscriptions.model import Retired, Subscription

_NONCE_BYTES: Final = 12
_CHECK_FIELD: Final = "sealed"
_CHECK: Final = b"relay"


class SealedError(UnavailableError):
    """Secrets are sealed under a key that this process has not; it may be set, and relay started again."""


class _Secrets(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a subscription is sealed."""

    url: str
    secrets: tuple[str, ...]
    retired: tuple[Retired, ...] = ()
    headers: Mapping[str, str] = {}
    verification_token: str | None = None


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(_Secrets)


@final
class SecretKeys:
    """The keys of RELAY_SECRET_KEY: the first one seals, each opens. Without any, nothing is sealed."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self._first = next(iter(self._ciphers), None)

    def __repr__(self) -> str:
        return f"SecretKeys({', '.join(self._ciphers) or 'none'})"

    def __bool__(self) -> bool:
        """Tell whether anything is sealed."""
        return self._first is not None

    def conceal(self, subscription: Subscription) -> Subscription:
        """Return a subscription as it is stored."""
        if self._first is None:
            return subscription
        hidden = _Secrets(
            subscription.url,
            subscription.secrets,
            subscription.retired,
            subscription.headers,
            subscription.verification_token,
        )
        return msgspec.structs.replace(
            subscription,
            url="",
            secrets=(),
            retired=(),
            headers={},
            verification_token=None,
            sealed=self.seal(_encoder.encode(hidden), _owner(subscription)),
        )

    def reveal(self, stored: Subscription) -> Subscription:
        """Return a subscription as it is, its secrets sealed or not.

        Raises:
            SealedError: none of the keys opens them.

        """
        if stored.sealed is None:
            return stored
        hidden = _decoder.decode(self.open(stored.sealed, _owner(stored)))
        return msgspec.structs.replace(
            stored,
            url=hidden.url,
            secrets=hidden.secrets,
            retired=hidden.retired,
            headers=hidden.headers,
            verification_token=hidden.verification_token,
            sealed=None,
        )

    def current(self, stored: Subscription) -> bool:
        """Tell whether a stored subscription is sealed as it would be now."""
        return (None if stored.sealed is None else stored.sealed.partition(".")[0]) == self._first

    def seal(self, plain: bytes, about: bytes) -> str:
        """Return ``<key>.<base64>``, which opens only with the same ``about``."""
        assert self._first is not None, "there is a key to seal with"  # noqa: S101
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._ciphers[self._first].encrypt(nonce, plain, about)
        return f"{self._first}.{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, about: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            SealedError: the key is not among these, or it is no seal of ours for this.

        """
        name, _, encoded = sealed.partition(".")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SealedError(f"secrets are sealed under key {name}, which RELAY_SECRET_KEY has not")
        try:
            decoded = base64.b64decode(encoded, validate=True)
            return cipher.decrypt(decoded[:_NONCE_BYTES], decoded[_NONCE_BYTES:], about)
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise SealedError(f"what is sealed under key {name} was changed") from error


PLAIN: Final = SecretKeys()
"""No keys: secrets are stored as they are."""


async def check_keys(store: Store, keys: SecretKeys) -> None:
    """See that the keys open what the store holds; the first time, leave there what the next ones must open.

    Raises:
        ConfigurationError: there is none, or not the right one.
        StoreUnavailableError: no answer.

    """
    kept = await store.call("HGET", META, _CHECK_FIELD)
    if kept is None and not keys:
        return
    if not keys:
        raise ConfigurationError("RELAY_SECRET_KEY is not set, but the store holds secrets sealed with it")
    if kept is not None:
        try:
            keys.open(kept.decode(), _CHECK)
        except SealedError as error:
            raise ConfigurationError(
                f"RELAY_SECRET_KEY does not open what the store holds ({error}); "
                "a former key stays behind the new one, after a comma, until nothing is sealed under it"
            ) from error
    await store.call("HSET", META, _CHECK_FIELD, keys.seal(_CHECK, _CHECK))


def _name(key: bytes) -> str:
    """Return what a key is called by: nothing of it can be told from that."""
    return hashlib.sha256(b"relay secret key" + key).hexdigest()[:8]


def _owner(subscription: Subscription) -> bytes:
    return f"{subscription.account}/{subscription.id}".encode()
