"""Stores of state, journal and lease."""
