"""The chain: from a recording to a clean voice."""
