"""Live events for those who hold a connection: feeds, the hub with its rings, SSE and CometD."""
