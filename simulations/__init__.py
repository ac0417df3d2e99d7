"""Simulation studies: one question, one table and one plot each."""
