"""Figures of the commands."""
