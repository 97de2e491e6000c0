"""Who uses the relay under load: one tenant with as many phones as there are calls at the same time.

The demo directory has three: with ten calls at each, what a phone's other calls cost would be measured too.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

TENANT: Final = "bench"
PHONES: Final = 128
EXTENSIONS: Final = tuple(str(extension) for extension in range(1001, 1001 + PHONES))
ADMIN: Final = "token-of-admin"
"""Bearer token of the tenant's admin."""


def token(extension: str) -> str:
    """Return the bearer token of an extension's user."""
    return f"token-of-{extension}"


def directory() -> dict[str, Any]:
    """Return the directory file; it is JSON, which YAML reads."""
    agents = [
        {
            "login": f"user-{extension}",
            "extension": extension,
            "devices": [{"id": f"phone-{extension}", "number": f"5{extension}"}],
            "tokens": [_hash(token(extension))],
        }
        for extension in EXTENSIONS
    ]
    admin = {"login": "admin", "roles": ["admin"], "tokens": [_hash(ADMIN)]}
    return {"accounts": [{"id": TENANT, "users": [*agents, admin]}]}


def _hash(secret: str) -> str:
    return "sha256$" + hashlib.sha256(secret.encode()).hexdigest()
