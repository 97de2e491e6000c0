"""Lua scripts: loaded once from the files beside this module, run by their digest."""

from __future__ import annotations

import re
from hashlib import sha1
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "scripts"
_INCLUDE: Final = re.compile(rb"^-- include (\w+)\n", re.MULTILINE)


class Script:
    """One file of ``relay/journal/scripts``, with what it includes of ``parts`` in its place."""

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = _INCLUDE.sub(_part, (_FOLDER / f"{name}.lua").read_bytes())
        self.sha = sha1(self.source, usedforsecurity=False).hexdigest()
        """The digest the server knows it by."""

    def __repr__(self) -> str:
        return f"Script({self.name})"


def _part(wanted: re.Match[bytes]) -> bytes:
    return (_FOLDER / "parts" / f"{wanted[1].decode()}.lua").read_bytes()
