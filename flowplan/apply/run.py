"""What one apply carries through its steps: the ports, the records as they become, and what came of each step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve, field

from flowplan.apply.together import Together
from flowplan.apply.uploading import Uploads
from flowplan.lang.stack import Stack
from flowplan.plan.change import Plan, ResourceChange, Step, StepKind
from flowplan.plan.observe import as_done
from flowplan.plan.triggers import trigger_value
from flowplan.ports import (
    Clock,
    Event,
    EventKind,
    Guarded,
    InstanceAccess,
    Observation,
    Provider,
    Reporter,
    Writer,
)
from flowplan.resources import Settings, kind_of
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import define, frozen
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.exit_code import ExitCode
from flowplan.values.value import NotYetKnown, Reference


class Failed(Exception):
    """A step definitely failed. ``transient``: trying again later may work."""

    def __init__(self, diagnostic: Diagnostic, transient: bool = False) -> None:
        """Carry the diagnostic that says why."""
        super().__init__(diagnostic.summary)
        self.diagnostic, self.transient = diagnostic, transient


class OutcomeUnknown(Exception):
    """No one could find out whether a step happened; its journal entry stays open for recovery."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        """Carry the diagnostic that says what was tried."""
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


@frozen
class Patience:
    """How long the applier waits for things, in seconds."""

    visibility_s: float = 10.0
    """How long after its request a new object may still be missing from the provider's lists."""
    release_s: float = 180.0
    """How long a volume may stay in use after what used it was deleted."""
    pause_s: float = 300.0
    """How long a pause may take to come into effect."""
    poll_s: float = 0.1
    """The first pause between two looks; it grows to ``poll_most_s``."""
    poll_most_s: float = 5.0
    outage_s: float = 600.0
    """How long the provider may fail to answer while things are only waited for."""


@define
class Run:
    """One apply: its ports, its settings and the records as they are now."""

    id: str
    plan: Plan
    stack: Stack
    provider: Provider
    writer: Writer
    clock: Clock
    reporter: Reporter
    access: InstanceAccess | None
    new_suffix: Callable[[], str]
    read_code: Callable[[str | None], bytes]
    settings: Settings
    key: bytes = field(repr=False)
    records: dict[Address, Record] = field(factory=dict)
    names: Mapping[tuple[Any, str], Sequence[str]] = field(factory=dict)
    """Ids already seen under a name when the run began, by kind and name."""
    listed: dict[Kind, dict[str, list[str]]] = field(factory=dict)
    """Ids by name of all there was of a kind when the first one was about to be made."""
    naming: asyncio.Lock = field(factory=asyncio.Lock)
    """Held while ``listed`` is asked for."""
    uploads: Uploads = field(factory=Uploads)
    """The code that is being copied to instances."""
    patience: Patience = Patience()
    ended: set[tuple[Kind, str]] = field(factory=set)
    """What this run has deleted: a list that lags may go on showing it."""
    ended_before: frozenset[tuple[Kind, str]] = frozenset()
    """What earlier runs have deleted a short while ago."""
    updated: dict[tuple[Kind, str], dict[str, Any]] = field(factory=dict)
    """The attributes this run has set, by what it has set them of: a list that lags may go on showing the old ones."""
    changes: dict[Address, ResourceChange] = field(factory=dict)

    together: Together = field(init=False)

    @together.default
    def _together(self) -> Together:
        return Together(self.writer)

    def __attrs_post_init__(self) -> None:
        """Have the lease checked before each mutating request, where the provider can."""
        if isinstance(self.provider, Guarded):
            self.provider.guard(self.writer.check)

    @classmethod
    def of(cls, plan: Plan, snapshot: Snapshot, **ports: Any) -> Run:
        """A run of ``plan`` that starts from ``snapshot``."""
        return cls(
            plan=plan,
            key=snapshot.key,
            records=dict(snapshot.records),
            ended_before=frozenset(key for key, what in snapshot.lately.items() if what is None),
            changes={change.address: change for change in plan.changes if not change.deposed},
            **ports,
        )

    @property
    def taken(self) -> set[tuple[Any, str]]:
        """Kind and id of every object that is on record, also of those that were replaced."""
        found = {(record.kind, record.id) for record in self.records.values()}
        found |= {(record.kind, old.id) for record in self.records.values() for old in record.deposed}
        return found

    def as_left(self, seen: Observation) -> Observation:
        """What was seen, with what this run has done before: a list that lags still shows how it was."""
        return as_done(seen, {**self.updated, **dict.fromkeys(self.ended)})

    def lookup(self, reference: Reference) -> Any:
        """An attribute of a resource as it now is."""
        record = self.records.get(reference.address)
        kind = kind_of(reference.address.kind)
        name = reference.attribute or kind.id_attribute
        if record is None:
            raise NotYetKnown(str(reference))
        if name == kind.id_attribute:
            return record.id
        value = record.attributes.get(name)
        if value is None:
            raise NotYetKnown(str(reference))
        return value

    def with_deposed(self, record: Record) -> Record:
        """A record about to be written, with what is now still to be destroyed under its address."""
        now = self.records.get(record.address)
        return record if now is None else evolve(record, deposed=now.deposed)

    def triggers_of(self, change: ResourceChange) -> dict[str, Any]:
        """What ``replace_triggered_by`` of a change sees now, to be recorded with it."""
        found = {}
        for text, reference in change.triggers.items():
            record = self.records.get(reference.address)
            if record is not None:
                found[text] = trigger_value(reference, record.id, record.config, record.attributes, self.key)
        return found

    def price(self, address: Address) -> float | None:
        """What a task costs an hour at most, in US dollars: its limit price for all its instances."""
        record, change = self.records.get(address), self.changes.get(address)
        known = {**(record.attributes if record else {}), **(change.targets if change else {})}
        limit, count = known.get("limit_price"), known.get("num_instances", 1)
        if address.kind is not Kind.TASK or not isinstance(limit, (int, float)) or not isinstance(count, int):
            return None
        return round(float(limit) * count, 4)

    def emit(self, kind: EventKind, step: Step | None = None, **more: Any) -> None:
        """Tell the reporter."""
        if step is not None:
            more.setdefault("address", step.address)
            more.setdefault("operation", step.kind.value)
            more.setdefault("condition", step.condition.value if step.condition else "")
            more.setdefault("usd_per_hour", self.price(step.address))
        self.reporter.emit(Event(kind, self.clock.now(), **more))

    def pauses(self) -> Any:
        """Ever longer pauses between two looks, in seconds."""
        pause = self.patience.poll_s
        while True:
            yield pause
            pause = min(pause * 1.6, self.patience.poll_most_s)


@frozen
class StepFailure:
    """A step that failed or whose outcome is unknown, and why."""

    step: Step
    diagnostic: Diagnostic
    transient: bool = False


@frozen
class Result:
    """What came of an apply."""

    done: tuple[Step, ...] = ()
    failed: tuple[StepFailure, ...] = ()
    unknown: tuple[StepFailure, ...] = ()
    skipped: tuple[tuple[Step, Step], ...] = ()
    cut: tuple[Step, ...] = ()
    """In flight when everything was stopped at once, or the store failed: the journal has them."""
    given_up: tuple[Step, ...] = ()
    """Waits that were ended with the apply; their tasks go on."""
    not_started: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()
    """What this run had created and took away again (``--on-failure undo``)."""
    kept: tuple[tuple[Address, str], ...] = ()
    """What this run had created and an undo left alone, and why."""
    interrupted: bool = False
    fatal: Diagnostic | None = None
    fatal_code: int = 1
    outputs: tuple[Diagnostic, ...] = ()
    """What is wrong with outputs that could not be computed from what is now known."""

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return not (
            self.failed
            or self.unknown
            or self.skipped
            or self.cut
            or self.given_up
            or self.not_started
            or self.fatal
        )

    @property
    def exit_code(self) -> int:
        """As documented in docs/exit-codes.md; an interrupt's own code is the edge's to add."""
        if self.ok:
            return ExitCode.ERROR if self.outputs else ExitCode.DONE
        if self.fatal is not None and self.fatal_code != ExitCode.ERROR:
            return self.fatal_code
        if self.unknown or self.cut:
            return ExitCode.UNKNOWN
        something = any(step.kind is not StepKind.AWAIT for step in self.done)
        if self.fatal is None and self.failed and not something and all(f.transient for f in self.failed):
            return ExitCode.TRANSIENT
        return ExitCode.PARTLY if something else ExitCode.ERROR
