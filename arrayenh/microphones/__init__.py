"""Microphones: array geometry, diagnosis and correction of faults."""
