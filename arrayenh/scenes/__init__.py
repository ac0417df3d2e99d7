"""Simulated scenes: rooms, sources, microphone signals and their ground truth."""
