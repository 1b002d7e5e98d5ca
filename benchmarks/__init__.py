"""Figures beside their limits: `make bench`, or one subject with `python -m benchmarks.sweep`."""
