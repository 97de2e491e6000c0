"""What processes that share an output write there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

PROGRAM = "from relay.telemetry import log; log.configure(style='json'); log.get('app').info('started')"


def test_a_log_line_leaves_in_one_write() -> None:
    """Also where Python is told not to buffer: lines of several workers would run into one another."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs.fileno(), env=environment, check=True)
        first = ours.recv(4096)
    assert first.startswith(b'{"')
    assert first.endswith(b"}\n")
