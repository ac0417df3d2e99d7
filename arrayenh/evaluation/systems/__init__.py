"""What a benchmark compares: our chains, the bounds of any chain, and peers."""
