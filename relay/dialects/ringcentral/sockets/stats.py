"""What is counted of RingCentral's WebSockets in this process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SocketStats:
    """Counts since the start, but for `sockets`, which is of now."""

    sockets: int = 0
    """Open ones."""
    refused: int = 0
    """Connections whose token was not good."""
    recovered: int = 0
    """Sessions that were gone on with."""
    unrecovered: int = 0
    """Sessions that could not be: they began anew."""
    notifications: int = 0
    """Sent, those that a recovery made up for included."""
    cut_buffer: int = 0
    """Cut off because too many bytes were waiting."""
    cut_slow: int = 0
    """Cut off because their clients were too slow for too long."""
