"""Localisation and tracking of talkers."""
