"""The embedded sandbox as an HTTP transport, where the command line and its tests look for it."""

from __future__ import annotations

from flowplan.provider.embedded import EmbeddedTransport

__all__ = ["EmbeddedTransport"]
