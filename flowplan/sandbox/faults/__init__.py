"""Faults on demand: of single requests (`strikes`) and of the world (`happen`), as `kinds` declares them.

All chance comes from the world's seed and the number of requests that matched, which is stored: the same requests
meet the same faults, in one process or in many.
"""
