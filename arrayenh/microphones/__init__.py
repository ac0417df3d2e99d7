"""Microphones: where they are, whether they work, and what to do where they do not."""
