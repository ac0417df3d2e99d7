"""Blind separation of talkers."""
