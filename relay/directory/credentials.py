"""How tokens and passwords are stored: as hashes only.

A token is random by rule, so one SHA-256 of it is safe to keep and cheap to look up: ``sha256$<hex>``.
A password is not, so it is stretched: ``scrypt$<n>$<r>$<p>$<salt hex>$<hash hex>``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final, NamedTuple

SCRYPT_N: Final = 2**14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 5
"""16 MiB and about 0.2 s a verification, one of the settings that OWASP's password storage sheet lists."""

SCRYPT_MAX_MEMORY: Final = 2**27
"""Bytes one verification may take: a stored hash that asks for more is refused."""

_MAX_P: Final = 16
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_TOKEN_HASH: Final = re.compile(r"sha256\$[0-9a-f]{64}")
_PASSWORD_HASH: Final = re.compile(
    r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,2})\$([0-9a-f]{16,128})\$([0-9a-f]{64})"
)


class PasswordHash(NamedTuple):
    """A stored password hash, taken apart."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Whether the password has this hash. Takes its time and releases the GIL: call it in a thread."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.n, self.r, self.p), self.digest)


def hash_token(token: str) -> str:
    """Return what the directory file keeps of a token, ``sha256$<hex>``."""
    return "sha256$" + hashlib.sha256(_bytes(token)).hexdigest()


def hash_password(password: str, *, n: int = SCRYPT_N, r: int = SCRYPT_R, p: int = SCRYPT_P) -> str:
    """Return what the directory file keeps of a password, ``scrypt$n$r$p$salt$hash``, salted afresh."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${n}${r}${p}${salt.hex()}${_scrypt(password, salt, n, r, p).hex()}"


def is_token_hash(text: str) -> bool:
    """Whether the text is a token's hash in the form `hash_token` gives."""
    return _TOKEN_HASH.fullmatch(text) is not None


def parse_password_hash(text: str) -> PasswordHash:
    """Take a stored password hash apart.

    Raises:
        ValueError: it is not in the form `hash_password` gives, or its cost is out of bounds.

    """
    found = _PASSWORD_HASH.fullmatch(text)
    if found is None:
        raise ValueError(
            "must be scrypt$<n>$<r>$<p>$<salt hex>$<hash hex>, as `relay hash-password` prints it"
        )
    n, r, p = (int(found[group]) for group in (1, 2, 3))
    if n < 2 or n & (n - 1) or r < 1 or not 1 <= p <= _MAX_P or 128 * n * r > SCRYPT_MAX_MEMORY:
        raise ValueError(
            "has scrypt costs that cannot be used: n is a power of 2, and 128 * n * r at most 128 MiB"
        )
    return PasswordHash(n, r, p, bytes.fromhex(found[4]), bytes.fromhex(found[5]))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # OpenSSL counts some working space on top of 128 * n * r.
    room = 2 * SCRYPT_MAX_MEMORY
    return hashlib.scrypt(_bytes(password), salt=salt, n=n, r=r, p=p, maxmem=room, dklen=_HASH_BYTES)


def _bytes(text: str) -> bytes:
    # Whatever came in a header or a JSON string must hash, even where it is no valid Unicode.
    return text.encode("utf-8", "surrogatepass")
