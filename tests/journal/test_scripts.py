from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.journal import scripts
from relay.journal.scripts import Script

FOLDER = Path(scripts.__file__).parent / "scripts"
FILES = sorted(FOLDER.glob("*.lua"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_script_opens_with_its_signature_and_the_keys_it_touches(path: Path) -> None:
    """Whoever reads a script sees first how it is called and what it reads and writes."""
    comment = re.match(r"(?:--.*\n)+", path.read_text())
    assert comment is not None
    assert re.search(rf"^-- EVALSHA {path.stem} \d", comment[0], re.MULTILINE)
    assert re.search(r"^-- key\s+type\s+reads\s+writes$", comment[0], re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_script_builds_no_key(path: Path) -> None:
    """Keys come from the caller: a script that made its own could leave its slot."""
    assert "relay:{" not in re.sub(r"--.*", "", path.read_text())


def test_a_script_is_known_by_the_digest_of_its_source() -> None:
    """The digest is the one the server computes."""
    script = Script("commit")
    assert re.fullmatch(r"[0-9a-f]{40}", script.sha)
    assert script.source.startswith(b"-- Commit")


def test_a_script_has_what_it_includes_in_its_place() -> None:
    """A part stands once, where it is named: behind what it needs, and before who needs it."""
    source = Script("deliveries").source.decode()
    for part in (FOLDER / "parts").glob("*.lua"):
        assert source.count(part.read_text()) == 1
    assert "-- include" not in source
    assert source.index("local function park") < source.index("function operations.park")
