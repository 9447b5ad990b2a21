"""Benchmarks and their statistics. Does not know the protocol."""
