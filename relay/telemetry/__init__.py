"""What relay tells of itself: logs and metrics."""
