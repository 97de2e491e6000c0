"""Subscriptions as the store holds them: fields of a hash, which something else may have written over."""

from __future__ import annotations

from typing import Final

import msgspec

from relay.errors import NotFoundError
from relay.journal.ids import parse
from relay.subscriptions.model import Subscription
from relay.subscriptions.sealing import SecretKeys
from relay.subscriptions.signing_keys import check_key

_decoder: Final = msgspec.json.Decoder(Subscription)


class UnreadableError(NotFoundError):
    """The account has this subscription, but what is stored of it cannot be read; it can be deleted."""


def decode(stored: bytes) -> Subscription:
    """Read a field of the hash, ``<from> <rev> <subscription as JSON>``, its secrets perhaps still sealed.

    Raises:
        ValueError: it is something else.

    """
    from_id, rev, encoded = stored.split(b" ", 2)
    found = msgspec.structs.replace(_decoder.decode(encoded), from_id=from_id.decode(), rev=rev.decode())
    parse(found.from_id)
    return found


def opened(keys: SecretKeys, subscription_id: str, stored: Subscription) -> Subscription:
    """Return the subscription of an id with its secrets opened.

    Raises:
        ValueError: it is another one, or nothing can be signed with them.
        SealedError: none of the keys opens them.

    """
    if stored.id != subscription_id:
        raise ValueError("it is another subscription")
    found = keys.reveal(stored)
    if not found.secrets:
        raise ValueError("there is no secret")
    for secret in (*found.secrets, *(one.secret for one in found.retired)):
        check_key(secret)
    return found
