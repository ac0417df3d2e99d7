"""Dereverberation."""
