"""Fixtures of the tests that run the service as a process, and the table of what became of events."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.harness.accounting import FAULT, table
from tests.harness.fixtures import http, new_relay, receiver, relay

__all__ = ["http", "new_relay", "receiver", "relay"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the table after the tests."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    rows = [
        cells
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, cells in report.user_properties
        if name == FAULT and isinstance(cells, tuple | list)
    ]
    if rows:
        terminalreporter.section("what became of events")
        terminalreporter.write_line(f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}\n")
        for line in table(rows):
            terminalreporter.write_line(line)


def _machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = model[1] if model else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"
