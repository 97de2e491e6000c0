"""Webhooks: every matching event posted to its endpoint at least once, in order per call."""
