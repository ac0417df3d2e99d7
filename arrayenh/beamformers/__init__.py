"""Beamformers: one file each."""
