"""Puts the parts together: what starts in which order, and what stops before what."""

from relay.app.process import Relay
from relay.app.supervisor import Supervisor

__all__ = ["Relay", "Supervisor"]
