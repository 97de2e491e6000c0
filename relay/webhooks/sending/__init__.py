"""relay's own HTTP/1.1 client: what it takes to send webhooks, and nothing more."""
