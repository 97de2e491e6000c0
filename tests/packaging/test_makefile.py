from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.manifests import ROOT

TARGETS = {"help", "venv", "run", "test", "lint", "bench", "faults", "churn", "lock", "clean"}
SCRIPTS = [ROOT / ".ci" / "run", ROOT / ".ci" / "lock"]


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as a user would from a shell, and return what it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for name in ("CI", "ONCE", "README", "PYTHON", "PYTHONPATH", "MFLAGS"):
        inherited.pop(name, None)
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_target_is_listed_by_default() -> None:
    """`make` alone lists each target with what it does."""
    done = make()
    listed = dict(re.findall(r"^make (\w+) +(\S.*)$", done.stdout, re.MULTILINE))
    assert done.returncode == 0
    assert set(listed) == TARGETS


@pytest.mark.parametrize("target", sorted(TARGETS - {"help"}))
def test_every_target_can_be_made(target: str) -> None:
    """Each target resolves to commands, with all it depends on."""
    done = make("--dry-run", target)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "k8s/README.md"])
def test_documented_targets_exist(document: str) -> None:
    """Whatever a document tells people to make can be made."""
    text = (ROOT / document).read_text()
    assert set(re.findall(r"(?:^ {4}|`)(?:\w+=\S+ )*make (\w+)", text, re.MULTILINE)) <= TARGETS


def test_what_was_compiled_is_kept() -> None:
    """Whatever make runs may write bytecode, though a container's environment says not to."""
    done = make("--eval", "show:; @env", "show", PYTHONDONTWRITEBYTECODE="1", SHOWN="1")
    assert "SHOWN=1" in done.stdout
    assert "PYTHONDONTWRITEBYTECODE" not in done.stdout


def test_run_is_the_demo_with_its_tour() -> None:
    """`make run` starts relay with the demo directory and the tour, and stays."""
    assert make("--dry-run", "run").stdout.rstrip().endswith(".venv/bin/relay serve --demo --tour")


@pytest.mark.parametrize(("once", "stops"), [("1", True), ("0", False), ("", False)])
def test_once_makes_run_stop_after_the_tour(once: str, stops: bool) -> None:
    """`ONCE=1 make run` tells relay to exit after the tour; unset, empty or 0 does not."""
    assert ("--once" in make("--dry-run", "run", ONCE=once).stdout) is stops


def test_an_old_python_is_named(tmp_path: Path) -> None:
    """With a Python below 3.11 the message says which is needed, which is there, and what to do."""
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = make("--always-make", "venv", PYTHON=str(old))
    assert done.returncode != 0
    assert "needs Python >= 3.11" in done.stderr
    assert "is Python 3.9.2" in done.stderr


def test_a_python_that_is_not_there_is_named() -> None:
    """With no such Python at all the message says so."""
    done = make("--always-make", "venv", PYTHON="python3.there-is-none")
    assert done.returncode != 0
    assert "there is no python3.there-is-none" in done.stderr


def test_a_python_without_pip_is_named(tmp_path: Path) -> None:
    """Where the distribution split pip off, the message names the package to install."""
    (tmp_path / "ensurepip.py").write_text('raise ImportError("split off")\n')
    done = make("--always-make", "venv", PYTHON=sys.executable, PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


@pytest.mark.parametrize(("ci", "passes"), [("", True), ("true", False)])
def test_missing_node_is_skipped_on_a_laptop_and_fails_in_ci(ci: str, passes: bool) -> None:
    """Without Node the JavaScript clients are left out loudly, and never where CI=true."""
    found = shutil.which("make")
    assert found is not None
    done = subprocess.run(
        [found, "clients"], cwd=ROOT, env={"PATH": "", "CI": ci}, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is passes
    assert "need Node >= 18" in done.stderr
    assert ("SKIPPED" in done.stderr) is passes


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_strict_and_executable(script: Path) -> None:
    """Each script runs as it is, stops at the first failure, and is valid bash."""
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_ci_runs_what_people_run() -> None:
    """`.ci/run` calls `make test` with CI=true, then the main job, bounded."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert "export CI=true" in lines
    assert (
        lines.index("export CI=true") < lines.index("make test") < lines.index("ONCE=1 timeout 120 make run")
    )


def test_ci_names_the_packages_it_cannot_install(tmp_path: Path) -> None:
    """Where packages are missing and cannot be installed, CI fails at once and says which."""
    for tool in ("bash", "dirname", "sed"):
        path = shutil.which(tool)
        assert path is not None
        (tmp_path / tool).symlink_to(path)
    done = subprocess.run(
        [ROOT / ".ci" / "run"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needed and could not be installed: redis-server curl nodejs npm" in done.stderr
