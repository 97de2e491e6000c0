"""Who is in the demo directory, as the tests of the running service use it."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Final, NamedTuple

TENANT: Final = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
OTHER_TENANT: Final = "5d2f1c6a-7a55-4f0e-9d0b-1f6f8e1a2b3c"


class User(NamedTuple):
    """One user, with all it takes to speak for them."""

    login: str
    extension: str = ""
    number: str = ""
    device: str = ""
    tenant: str = TENANT
    password: str = "demo"

    @property
    def token(self) -> str:
        """The user's bearer token."""
        return f"demo-{self.login}"


JANE: Final = User("jane", "210", "15000", "631608b3-ceb1-472b-ba05-2ae39555b0d1")
JOHN: Final = User("john", "200", "15002", "7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11")
ALEX: Final = User("alex", "220", "15003", "c2a1d9f4-0e4b-4f0c-8a55-90b7c4d1e733")
ADMIN: Final = User("admin")
MALLORY: Final = User("mallory", "210", "25000", tenant=OTHER_TENANT)

BUSY: Final = "+12025550101"
NEVER_ANSWERS: Final = "+12025550102"
REJECTS: Final = "+12025550103"
ANSWERS_AND_LEAVES: Final = "+12025550104"
OUTSIDE: Final = "+12025550123"


def with_a_supervisor(folder: Path) -> Path:
    """Write the demo directory with Alex as a supervisor, which nobody with a phone is there, as a file."""
    text = importlib.resources.files("relay.directory").joinpath("demo.yaml").read_text(encoding="utf-8")
    before, login, after = text.partition("login: alex")
    path = folder / "directory.yaml"
    path.write_text(before + login + after.replace("roles: [agent]", "roles: [agent, admin]", 1))
    return path
