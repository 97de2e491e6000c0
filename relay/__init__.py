"""relay: call control in front of a telephone switch."""

__version__ = "0.1.0"
