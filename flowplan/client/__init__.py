"""The Python API: `Flow` runs tasks and reads them, and the ways into instances that it uses.

An adapter for people who write Python: it sees the provider through `flowplan.ports` and `client.market`, and is
wired by `flowplan.connect`.
"""
