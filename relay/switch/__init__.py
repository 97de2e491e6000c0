"""Telephone switches: the protocol relay speaks to them, and the simulated one."""
