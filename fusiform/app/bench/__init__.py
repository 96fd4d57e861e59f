"""Benchmarks: ours, the peers' and the ratio, measured by turns in one run."""
