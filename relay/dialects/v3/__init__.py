"""relay's own dialect, grown from the published ``/v3/call_control/`` endpoint."""
