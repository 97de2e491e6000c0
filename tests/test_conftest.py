"""What skips a test on a laptop fails it in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
import pytest


@pytest.fixture
def program():
    pytest.skip("needs a program")


def test_one(program):
    pass


@pytest.mark.skipif(True, reason="needs another")
def test_another():
    pass


def test_a_third():
    pass
"""


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 passed, 2 skipped"), ("true", "1 passed, 2 errors")])
def test_nothing_is_skipped_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    """Whatever a machine lacks and a test needs is said, and in CI it is a failure."""
    (tmp_path / "test_some.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout, done.stdout + done.stderr
    assert ("CI=true lets nothing be skipped" in done.stdout) is bool(ci)
