"""What a run of the fault suite shows: the table, when and where it was made, and its place in README."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.engines import binary
from tests.harness.accounting import table

_PLACE: Final = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)


def results(rows: Iterable[Sequence[str]], *, seconds: float) -> list[str]:
    """Return the lines that a run shows, in Markdown."""
    return [
        *table(rows),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; it took {seconds / 60:.0f} minutes.",
    ]


def machine() -> str:
    """Return what the tests run on."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = model[1] if model else platform.machine()
    server = binary(os.environ.get("RELAY_TEST_ENGINE", "valkey"))
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    store = re.sub(r"^(\w+) server v=(\d+\.\d+).*", r"\1 \2", told.strip())
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {store}"


def placed(text: str, lines: Iterable[str]) -> str:
    """Return README's text with these lines between its markers.

    Raises:
        ValueError: the markers are not there.

    """
    shown = "".join(f"{line}\n" for line in lines)
    text, places = _PLACE.subn(lambda _: shown, text)
    if places != 1:
        raise ValueError(f"{places} places for results, not one")
    return text
