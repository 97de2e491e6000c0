"""WebSockets by which RingCentral's applications subscribe and are notified."""
