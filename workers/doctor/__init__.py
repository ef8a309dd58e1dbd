"""What stands between these settings and a worker at work, and what to do about it."""
