"""Packing a task's code, where the commands look for it."""

from __future__ import annotations

from flowplan.client.packing import read_code

__all__ = ["read_code"]
