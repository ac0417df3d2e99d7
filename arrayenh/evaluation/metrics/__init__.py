"""Scores, each a function of signals."""
