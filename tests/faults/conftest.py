"""Fixtures of the tests that run the service as a process, and the table of what became of events."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.harness.accounting import FAULT
from tests.harness.fixtures import http, new_relay, receiver, relay
from tests.harness.results import placed, results

__all__ = ["http", "new_relay", "receiver", "relay"]

README = os.environ.get("FAULTS_README", "")
"""Where the table is to be put between its markers, once everything has passed."""

_BEGAN = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Show the table after the tests."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    rows = [
        cells
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, cells in report.user_properties
        if name == FAULT and isinstance(cells, tuple | list)
    ]
    if not rows:
        return
    terminalreporter.section("what became of events")
    shown = results(rows, seconds=time.monotonic() - _BEGAN)
    for line in shown:
        terminalreporter.write_line(line)
    if README and exitstatus == pytest.ExitCode.OK:
        readme = Path(README)
        readme.write_text(placed(readme.read_text(), shown))
    elif README:
        terminalreporter.write_line(f"{README} stays as it was: not everything has passed")
