"""The typed result of reading a stack: what everything after the language works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import field

from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Span
from flowplan.values.value import Path, Reference

if TYPE_CHECKING:
    from flowplan.lang.entries import (
        Absence,
        AbsenceOf,
        Check,
        Import,
        Moved,
        Origin,
        OriginsOf,
        Query,
        Removed,
        Requirement,
    )

SpanOf = Callable[[Path], "tuple[Span | None, str]"]
"""Position and source line of the value at a path below a declaration; worked out only when asked."""


def _no_origins(path: Path) -> tuple[Origin, ...]:
    return ()


def _not_declared(address: Address) -> Absence | None:
    return None


def _nowhere(path: Path) -> tuple[Span | None, str]:
    return None, ""


class Condition(Enum):
    """How far a predecessor must have come before its dependent starts (stack-language.md, decision 7)."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"


@frozen
class Dependency:
    """An edge the user wrote: wait for ``address`` to reach ``condition``; ``failed_ok`` lets a failed one pass."""

    address: Address
    condition: Condition = Condition.CREATED
    failed_ok: bool = False
    span: Span | None = field(default=None, eq=False)


@frozen
class Lifecycle:
    """The ``lifecycle`` block of a resource. Its meaning is the planner's."""

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    create_before_destroy: bool = False
    replace_triggered_by: tuple[str, ...] = ()
    on_remove: str = "destroy"
    rerun: str = "on_change"
    on_lost: str = "recreate"


@frozen
class Resource:
    """One desired resource instance.

    ``config`` holds every field of the documented model under its documented name, defaults filled in;
    values may be `Unknown` or `Sensitive`. ``references`` are the attributes of other resources that the
    configuration asks for, known or not: they are dependency edges. ``depends_on`` are the declared ones.
    """

    address: Address
    config: Mapping[str, Any]
    references: tuple[Reference, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    timeouts: Mapping[str, timedelta] = field(factory=dict)
    requirements: tuple[Requirement, ...] = ()
    span: Span | None = field(default=None, eq=False)
    snippet: str = field(default="", eq=False)
    span_of: SpanOf = field(default=_nowhere, eq=False, repr=False)
    origins_of: OriginsOf = field(default=_no_origins, eq=False, repr=False)
    unknown: tuple[str, ...] | None = field(default=None, eq=False, repr=False)
    """The names in ``config`` that hold something unknown, where whoever made this knew them anyway; else None."""

    @property
    def kind(self) -> Kind:
        """The kind, from the address."""
        return self.address.kind


@frozen
class Output:
    """A named result of the stack; ``value`` may hold `Unknown` and `Sensitive`.

    ``type`` is the declared one (a variable's types), "" for none; a value that is known has it.
    """

    name: str
    value: Any
    description: str = ""
    sensitive: bool = False
    references: tuple[Reference, ...] = ()
    span: Span | None = field(default=None, eq=False)
    type: str = ""


@frozen
class VariableValue:
    """What a variable turned out to be and who said so (``source``: "default", "--var nodes", a file and line)."""

    name: str
    value: Any
    source: str
    sensitive: bool = False


@frozen
class ProviderSettings:
    """The ``provider`` section: where resources live unless they say otherwise.

    ``type`` is ``sandbox`` (the embedded default) or ``mithril``; ``api_url`` overrides the provider's own.
    """

    type: str = "sandbox"
    project: str | None = None
    region: str | None = None
    api_url: str | None = None
    span: Span | None = field(default=None, eq=False)


@frozen
class Budget:
    """The ``budget`` section: what the whole stack may cost at its limit prices, in US dollars."""

    max_hourly_usd: Decimal | None = None
    max_committed_usd: Decimal | None = None
    span: Span | None = field(default=None, eq=False)


@frozen
class Limits:
    """The ``limits`` section: how large the whole stack may become. None: no limit."""

    max_resources: int | None = None
    max_instances: int | None = None
    max_gpus: int | None = None
    max_storage_gb: int | None = None
    max_destroys: int | None = None
    span: Span | None = field(default=None, eq=False)


@frozen
class Source:
    """A text the stack was read from. ``path`` is relative to the stack's folder."""

    path: str
    text: str


@frozen
class Stack:
    """A stack, read and evaluated: resources by address in sorted order, outputs, and what they came from."""

    name: str
    resources: Mapping[Address, Resource] = field(factory=dict)
    outputs: Mapping[str, Output] = field(factory=dict)
    variables: Mapping[str, VariableValue] = field(factory=dict)
    provider: ProviderSettings = ProviderSettings()
    sources: tuple[Source, ...] = ()
    description: str = ""
    moved: tuple[Moved, ...] = ()
    removed: tuple[Removed, ...] = ()
    imports: tuple[Import, ...] = ()
    budget: Budget = Budget()
    limits: Limits = Limits()
    checks: tuple[Check, ...] = ()
    lookups: tuple[Query, ...] = ()
    """What ``data`` asks for, as far as is known; with all results given, everything."""
    modules: Mapping[str, str] = field(factory=dict)
    """The folders of the modules that are called, as they are written, by their calls' paths."""
    absence_of: AbsenceOf = field(default=_not_declared, eq=False, repr=False)
