"""The simulated switch: phones that behave by rule. All its state is in sessions and their timers."""

from relay.switch.simulator.moves import PhoneAction
from relay.switch.simulator.simulator import Simulator

__all__ = ["PhoneAction", "Simulator"]
