"""Manifest lines: reading them, and what can be wrong with them."""
