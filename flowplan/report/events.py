"""Events of an apply for people: one line each, as they happen."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from flowplan.ports import Event, EventKind
from flowplan.report.diagnostics import render_diagnostic
from flowplan.report.paint import Paint, clean
from flowplan.values.quantity import format_duration

_GERUNDS = {
    "create": "Creating",
    "update": "Modifying",
    "delete": "Destroying",
    "forget": "Forgetting",
    "await": "Waiting",
}
_NOUNS = {
    "create": "Creation complete",
    "update": "Modifications complete",
    "delete": "Destruction complete",
    "forget": "Forgotten",
    "await": "Ready",
}


@define(eq=False)
class LineReporter:
    """Writes one line per event with ``write``; a reader that went away stops nothing."""

    write: Callable[[str], None]
    paint: Paint

    def emit(self, event: Event) -> None:
        """See `flowplan.ports.Reporter.emit`."""
        line = self._line(event)
        if line:
            self.write(line)

    def _line(self, event: Event) -> str:
        address = self.paint(clean(str(event.address)), "bold") if event.address else ""
        known = f" [id={clean(event.id)}]" if event.id else ""
        if event.kind is EventKind.STARTED:
            return f"{address}: {_GERUNDS.get(event.operation, event.operation)}...{known}"
        if event.kind is EventKind.PROGRESS:
            said = _GERUNDS.get(event.operation, event.operation).lower()
            return f"{address}: Still {said}... [{format_duration(event.elapsed_s)} elapsed]"
        if event.kind is EventKind.DONE:
            said = _NOUNS.get(event.operation, "Done")
            return f"{address}: {said} after {format_duration(event.elapsed_s)}{known}"
        if event.kind is EventKind.FAILED:
            return f"{address}: {self.paint('Failed', 'red')}"
        if event.kind is EventKind.SKIPPED:
            return f"{address}: Skipped, because {clean(event.message)}"
        if event.diagnostic is not None:
            return render_diagnostic(event.diagnostic, self.paint).rstrip()
        return f"{address}: {clean(event.message)}"
