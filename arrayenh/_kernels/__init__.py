"""Numba loops; each file is called by the one module it is named after."""
