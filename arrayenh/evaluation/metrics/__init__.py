"""The scores themselves, each a function of signals."""
