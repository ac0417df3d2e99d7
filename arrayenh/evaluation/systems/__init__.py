"""Systems of a benchmark: chains of this package, oracle bounds, and peers."""
