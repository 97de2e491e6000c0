"""What subscribers want: subscriptions, their filters, and the renderings they are given."""
