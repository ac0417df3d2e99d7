"""Localisation: from where is spoken."""
