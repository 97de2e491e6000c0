"""Debian's programs that stand between relay and people: found, or the test is skipped, but never in CI."""

from __future__ import annotations

import os
import shutil
from typing import Final

import pytest

PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"
"""Where to look: nginx is not on the path of an ordinary user."""


def program(name: str) -> str:
    """Return a program's path."""
    found = shutil.which(name, path=PATH)
    if found is not None:
        return found
    pytest.skip(f"needs {name} (Debian: apt-get install {name})")
