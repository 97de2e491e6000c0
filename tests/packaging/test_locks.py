from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.packaging.manifests import ROOT

LOCKS = {path.name: path for path in ROOT.glob("requirements*.lock")}
NPM_LOCKS = [ROOT / "tests" / "js" / "package-lock.json"]
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Map each package of a lock file to its version."""
    return dict(PIN.findall(LOCKS[name].read_text()))


def normal(requirement: str) -> str:
    """Return the name a requirement begins with, as lock files spell it."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_three_locks_are_there() -> None:
    """What runs, what tests and what builds relay is each locked."""
    assert set(LOCKS) == {"requirements.lock", "requirements-dev.lock", "requirements-build.lock"}


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    """Each requirement is an exact version followed by its hashes."""
    text = re.sub(r"^ *#.*\n", "", LOCKS[name].read_text(), flags=re.MULTILINE)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert blocks
    for block in blocks:
        assert PIN.match(block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("path", [*LOCKS.values(), *NPM_LOCKS], ids=lambda path: path.name)
def test_no_lock_names_an_address_or_a_folder(path: Path) -> None:
    """Locks hold for whichever registry a machine uses: no URL, no index, no absolute path."""
    text = path.read_text()
    assert not re.findall(r"\w+://\S+|--(?:extra-)?index-url.*|--find-links.*|@ file:.*", text)
    assert not re.findall(r"(?<![\w@.+=-])/(?:home|root|tmp|usr|work|Users|opt)/\S*", text)


def test_no_lock_file_is_left_unchecked() -> None:
    """Every lock file of the project is one of those above."""
    suspects = set()
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if name != "node_modules" and not name.startswith(".")]
        suspects |= {Path(folder) / name for name in files if re.search(r"\.lock$|-lock\.(json|yaml)$", name)}
    assert suspects == {*LOCKS.values(), *NPM_LOCKS}


def test_what_is_tested_is_what_is_shipped() -> None:
    """The three locks agree on each package they share, and the development lock holds the other two."""
    development = pins("requirements-dev.lock").items()
    assert pins("requirements.lock").items() <= development
    assert pins("requirements-build.lock").items() <= development


def test_the_locks_hold_every_dependency_of_the_project() -> None:
    """Each dependency in pyproject.toml is in the lock file made from it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    build = {normal(entry) for entry in groups["build"]}
    assert {normal(entry) for entry in project["project"]["dependencies"]} <= set(pins("requirements.lock"))
    assert {normal(entry) for entry in groups["dev"] if isinstance(entry, str)} <= set(
        pins("requirements-dev.lock")
    )
    assert build <= set(pins("requirements-build.lock"))
    assert {normal(entry) for entry in project["build-system"]["requires"]} <= build


@pytest.mark.parametrize("path", NPM_LOCKS, ids=lambda path: path.name)
def test_every_npm_package_has_its_hash_and_runs_on_node_18(path: Path) -> None:
    """JavaScript clients are exact versions with an integrity hash, and none needs more than Node 18."""
    packages = json.loads(path.read_text())["packages"]
    asked = json.loads((path.parent / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    assert packages[""]["dependencies"] == asked
    for name, package in packages.items():
        least = re.search(r"\d+", package.get("engines", {}).get("node", "0"))
        assert least is None or int(least[0]) <= 18, name
        assert not name or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
