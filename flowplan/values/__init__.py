"""The vocabulary every other layer shares: addresses, diagnostics, quantities, unknown and sensitive values.

Imports nothing of flowplan but its own modules, and of others only attrs and cattrs.
"""
