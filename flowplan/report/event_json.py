"""Events for programs: one JSON document a line (docs/events.md, schemas/events.schema.json).

Everything in them is fit to be shown: secrets never come into an event, and no character outside of ASCII comes
into a line, so that none can drive a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flowplan.plan.document import diagnostic_document
from flowplan.ports import Event, EventKind
from flowplan.values.classes import define
from flowplan.values.quantity import format_instant

FORMAT = "1.0"
"""The version of the lines' form. Major versions break readers, minor ones add properties and types."""


def version_document(version: str, at: datetime) -> dict[str, Any]:
    """The first line of every stream."""
    return {
        "type": "version",
        "at": format_instant(at),
        "format_version": FORMAT,
        "flowplan_version": version,
    }


def event_document(event: Event) -> dict[str, Any]:
    """One event. What does not apply to it is left out."""
    is_diagnostic = event.kind is EventKind.NOTICE and event.diagnostic is not None
    found: dict[str, Any] = {
        "type": "diagnostic" if is_diagnostic else event.kind.value,
        "at": format_instant(event.at),
    }
    if event.address is not None:
        found |= {"address": str(event.address), "kind": event.address.kind.value}
    for name in ("operation", "id", "message", "condition", "status"):
        if text := getattr(event, name):
            found[name] = text
    if event.elapsed_s or event.kind in (EventKind.PROGRESS, EventKind.DONE):
        found["elapsed_s"] = round(event.elapsed_s, 3)
    if event.usd_per_hour is not None:
        found["max_usd_per_hour"] = event.usd_per_hour
    if event.diagnostic is not None:
        found["diagnostic"] = diagnostic_document(event.diagnostic)
    return {**found, **event.data}


def line_of(document: dict[str, Any]) -> str:
    """A document as its line, without the line's end."""
    return json.dumps(document, separators=(",", ":"), default=str)


@define(eq=False)
class JsonReporter:
    """Writes one line per event with ``write``."""

    write: Callable[[str], None]

    def emit(self, event: Event) -> None:
        """See `flowplan.ports.Reporter.emit`."""
        self.write(line_of(event_document(event)))


@define(eq=False)
class Several:
    """Hands each event to every one of ``reporters``."""

    reporters: tuple[Any, ...]

    def emit(self, event: Event) -> None:
        """See `flowplan.ports.Reporter.emit`."""
        for reporter in self.reporters:
            reporter.emit(event)
