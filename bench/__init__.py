"""Measurements that are too long for a test; each writes its figures to `bench/results/`."""
