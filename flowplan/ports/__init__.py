"""The ports: what the core asks of the world outside, and the values that pass through.

Each name comes from its own module when it is first used: a plan has no use for most of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowplan.plan.observation import HistoryEvent, Observation, Observed, Offer, Quota, Quote
    from flowplan.ports.instances import InstanceAccess, RemoteAccess
    from flowplan.ports.outcome import Ambiguous, Done, Handle, Outcome, Refused
    from flowplan.ports.provider import (
        CapacityMarket,
        Estimator,
        Guarded,
        Historian,
        Pager,
        Provider,
        TaskKeys,
    )
    from flowplan.ports.store import Backend, Ended, LockInfo, Reader, StoreError, Writer
    from flowplan.ports.surroundings import Asker, Clock, Event, EventKind, Reporter

_HOMES = {
    "flowplan.plan.observation": ("HistoryEvent", "Observation", "Observed", "Offer", "Quota", "Quote"),
    "flowplan.ports.instances": ("InstanceAccess", "RemoteAccess"),
    "flowplan.ports.outcome": ("Ambiguous", "Done", "Handle", "Outcome", "Refused"),
    "flowplan.ports.provider": (
        "CapacityMarket",
        "Estimator",
        "Guarded",
        "Historian",
        "Pager",
        "Provider",
        "TaskKeys",
    ),
    "flowplan.ports.store": ("Backend", "Ended", "LockInfo", "Reader", "StoreError", "Writer"),
    "flowplan.ports.surroundings": ("Asker", "Clock", "Event", "EventKind", "Reporter"),
}

__all__ = [
    "Ambiguous",
    "Asker",
    "Backend",
    "CapacityMarket",
    "Clock",
    "Done",
    "Ended",
    "Estimator",
    "Event",
    "EventKind",
    "Guarded",
    "Handle",
    "Historian",
    "HistoryEvent",
    "InstanceAccess",
    "LockInfo",
    "Observation",
    "Observed",
    "Offer",
    "Outcome",
    "Pager",
    "Provider",
    "Quota",
    "Quote",
    "Reader",
    "Refused",
    "RemoteAccess",
    "Reporter",
    "StoreError",
    "TaskKeys",
    "Writer",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(home), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
