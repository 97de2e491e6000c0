"""Client ids: the number of a session's partition, random bits, and a mark of the browser it is good in."""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import Final

_PARTITION_DIGITS: Final = 4
_SECRET_BYTES: Final = 16  # 128 random bits (Bayeux 1.0, the clientId field)
_LENGTH: Final = _PARTITION_DIGITS + 2 * _SECRET_BYTES
_MARK: Final = 16
_CLIENT: Final = re.compile(
    rf"([0-9]{{{_PARTITION_DIGITS}}})[0-9a-f]{{{2 * _SECRET_BYTES}}}(?:[0-9a-f]{{{_MARK}}})?", re.ASCII
)


def new(partition: int, browser: str | None) -> str:
    """Return the client id of a new session of a partition, good in a browser only if one is given."""
    client = f"{partition:0{_PARTITION_DIGITS}d}{secrets.token_hex(_SECRET_BYTES)}"
    return client if browser is None else client + _mark(client, browser)


def partition_of(client: str) -> int | None:
    """Return the number of a client id's partition; None if it is no client id."""
    parts = _CLIENT.fullmatch(client)
    return None if parts is None else int(parts[1])


def belongs(client: str, browser: str) -> bool:
    """Tell whether a client id was made for a browser, or for any."""
    head, mark = client[:_LENGTH], client[_LENGTH:]
    return not mark or hmac.compare_digest(mark.encode(), _mark(head, browser).encode())


def _mark(client: str, browser: str) -> str:
    """Return what a client id ends in that is good in one browser only."""
    return sha256(f"{client} {browser}".encode()).hexdigest()[:_MARK]
