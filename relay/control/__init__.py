"""The one way a command is carried out: authorise, check, hand to the switch, commit."""

from relay.control.control import Accepted, Control

__all__ = ["Accepted", "Control"]
