"""A certificate for 127.0.0.1, which a relay under load is told to trust."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make(folder: Path) -> Path:
    """Return a file with a key and its self-signed certificate. It needs ``openssl`` on PATH."""
    both, certificate = folder / "endpoint.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=endpoint", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(both), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text(both.read_text() + certificate.read_text())
    return both
