"""Bayeux 1.0 with the behaviour of a CometD 3 server: any process serves any session."""
