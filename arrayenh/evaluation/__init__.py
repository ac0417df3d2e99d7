"""Benchmarks: cases, systems, scores, tables and quality checks."""
