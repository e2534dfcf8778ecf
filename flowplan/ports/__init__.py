"""The ports: what the core asks of the world outside, and the values that pass through."""

from __future__ import annotations

from flowplan.plan.observation import HistoryEvent, Observation, Observed, Offer, Quota, Quote
from flowplan.ports.instances import InstanceAccess, RemoteAccess
from flowplan.ports.outcome import Ambiguous, Done, Handle, Outcome, Refused
from flowplan.ports.provider import CapacityMarket, Estimator, Guarded, Historian, Pager, Provider, TaskKeys
from flowplan.ports.store import Backend, Ended, LockInfo, Reader, StoreError, Writer
from flowplan.ports.surroundings import Asker, Clock, Event, EventKind, Reporter

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
