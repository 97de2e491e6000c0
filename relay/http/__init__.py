"""What every face needs of HTTP: who asks, bodies, errors, cross-origin rules, and rate limits."""
