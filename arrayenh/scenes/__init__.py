"""Simulated rooms with all of their ground truth."""
