"""Benchmarks: programs that use the library and print tables."""
