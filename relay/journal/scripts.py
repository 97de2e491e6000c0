"""Lua scripts: loaded once from the files beside this module, run by their digest."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "scripts"


class Script:
    """One file of ``relay/journal/scripts``."""

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = (_FOLDER / f"{name}.lua").read_bytes()
        self.sha = sha1(self.source, usedforsecurity=False).hexdigest()
        """The digest the server knows it by."""

    def __repr__(self) -> str:
        return f"Script({self.name})"
