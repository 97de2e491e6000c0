"""Puts the parts together: what starts in which order, and what stops before what."""

from relay.app.process import Relay

__all__ = ["Relay"]
