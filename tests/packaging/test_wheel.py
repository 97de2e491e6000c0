from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.packaging.manifests import ROOT


def test_the_wheel_holds_all_of_relay_and_nothing_else(tmp_path: Path) -> None:
    """Every file below relay/ is installed, scripts and data included, and no test or tool is."""
    hatchling = Path(sys.executable).with_name("hatchling")
    done = subprocess.run(
        [hatchling, "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("relay-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read(
            next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        )
    below = (
        path for path in (ROOT / "relay").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    assert held == {str(path.relative_to(ROOT)) for path in below}
    assert b"relay = relay.cli:main" in entry_points
