"""Damaged files on purpose."""
