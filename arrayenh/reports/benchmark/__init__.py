"""The report of a benchmark, part by part."""
