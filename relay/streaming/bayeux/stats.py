"""What is counted of Bayeux in this process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BayeuxStats:
    """Counts since the start, but for `held` and `sockets`, which are of now."""

    handshakes: int = 0
    handshakes_refused: int = 0
    unauthenticated: int = 0
    """Messages of requests without usable credentials."""
    connects: int = 0
    held: int = 0
    """Connects that wait for events now."""
    sockets: int = 0
    """Open websockets."""
    cut_buffer: int = 0
    """Websockets cut off because too many bytes were waiting."""
    cut_slow: int = 0
    """Websockets cut off because their clients were too slow for too long."""
    events: int = 0
    """Event messages sent; those put back are counted again when they go out again."""
    superseded: int = 0
    """Connects not answered, or with an error, because the session connected anew."""
    unknown: int = 0
    """Messages of sessions that are not there (any more)."""
    lost: int = 0
    """Sessions ended because events they had not been told are gone from the journal."""
    dropped: int = 0
    """Connects whose client went away before the answer."""
    put_back: int = 0
    """Answers put back because they could not be written."""
    not_put_back: int = 0
    """Answers that were lost, because the session connected anew meanwhile or the store stayed away."""
    disconnected: int = 0
    expired: int = 0
    """Sessions ended by this process as the partition's owner."""
