"""Events of an apply for people: one line each, as they happen."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field

from flowplan.ports import Event, EventKind
from flowplan.report.diagnostics import render_diagnostic
from flowplan.report.paint import Paint, clean
from flowplan.values.address import Address
from flowplan.values.classes import define
from flowplan.values.quantity import format_duration

_GERUNDS = {
    "create": "Creating",
    "update": "Modifying",
    "delete": "Destroying",
    "forget": "Forgetting",
    "import": "Importing",
    "detach": "Detaching",
}
_NOUNS = {
    "create": "Creation complete",
    "update": "Modifications complete",
    "delete": "Destruction complete",
    "forget": "Forgotten",
    "import": "Import complete",
    "detach": "Detached",
}
_AWAITED = {"running": "Waiting for it to run", "completed": "Waiting for it to complete"}
_REACHED = {"running": "Running", "completed": "Completed"}


def doing(event: Event) -> str:
    """What a step does, as in "Creating"."""
    if event.operation == "await":
        return _AWAITED.get(event.condition, "Waiting")
    return _GERUNDS.get(event.operation, event.operation)


def event_line(event: Event, paint: Paint) -> str:
    """The line of one event; "" for those that are told in another way."""
    address = paint(clean(str(event.address)), "bold") if event.address else ""
    known = f" [id={clean(event.id)}]" if event.id else ""
    match event.kind:
        case EventKind.STARTED:
            return f"{address}: {doing(event)}...{known}"
        case EventKind.PROGRESS if event.address is None:
            return f"{clean(event.message)}..."
        case EventKind.PROGRESS:
            said = doing(event)
            stands = f"{clean(event.status)}, " if event.status else ""
            return (
                f"{address}: Still {said[0].lower()}{said[1:]}... "
                f"[{stands}{format_duration(event.elapsed_s)} elapsed]"
            )
        case EventKind.DONE:
            said = (
                _REACHED.get(event.condition, "Done")
                if event.operation == "await"
                else _NOUNS.get(event.operation, "Done")
            )
            return f"{address}: {said} after {format_duration(event.elapsed_s)}{known}"
        case EventKind.FAILED:
            why = f": {clean(event.diagnostic.summary)}" if event.diagnostic else ""
            return f"{address}: {paint('Failed', 'red')}{why}"
        case EventKind.SKIPPED:
            return f"{address}: Skipped, because {clean(event.message)}"
        case EventKind.STATUS:
            return f"{address}: Now {clean(event.status)}"
        case EventKind.PLANNED | EventKind.PLAN | EventKind.SUMMARY | EventKind.OUTPUTS:
            return ""
    if event.diagnostic is not None:
        return render_diagnostic(event.diagnostic, paint).rstrip()
    return f"{address}: {clean(event.message)}" if address else clean(event.message)


@define(eq=False)
class LineReporter:
    """Writes one line per event with ``write``; a reader that went away stops nothing."""

    write: Callable[[str], None]
    paint: Paint
    _statuses: dict[Address, str] = field(factory=dict)

    def emit(self, event: Event) -> None:
        """See `flowplan.ports.Reporter.emit`."""
        if event.kind is EventKind.STATUS and event.address is not None:
            before = self._statuses.get(event.address)
            self._statuses[event.address] = event.status
            if before is None or before == event.status:
                return  # how it stood at first is told by the line that it is waited for
        if line := event_line(event, self.paint):
            self.write(line)
