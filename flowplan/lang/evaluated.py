"""A stack in its evaluated form, as text: so that what was read once need not be evaluated again.

Only what evaluation found is kept. Where a value comes from, and why something is not there, is still worked out from
the stack's own text, by reading it after all when someone asks. A stack that only an evaluation can tell all about
(with secrets, lookups, checks, requirements, expressions that wait for an apply) has no such form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import asdict

from flowplan.lang.stack import (
    Budget,
    Condition,
    Dependency,
    Lifecycle,
    Limits,
    Output,
    ProviderSettings,
    Resource,
    Source,
    Stack,
    VariableValue,
)
from flowplan.values.address import Address
from flowplan.values.diagnostic import Span
from flowplan.values.parsing import parse_json
from flowplan.values.value import Path, Reference, Unknown

if TYPE_CHECKING:
    from flowplan.lang.entries import Absence, Import, Moved, Origin, Removed

_PLAIN = frozenset({str, int, float, bool, type(None)})
_LIFECYCLE = Lifecycle()
_Section = TypeVar("_Section", ProviderSettings, Limits)
_ANEW = ("checks", "lookups", "modules")
"""Parts of a stack that are not kept: one that has any is evaluated each time."""


class _Anew(Exception):
    """Something in a stack has no form that can be kept."""


def dump_evaluated(stack: Stack) -> str | None:
    """The evaluated form of a stack that was read without a warning; None where it has to be evaluated each time."""
    if any(getattr(stack, name) for name in _ANEW):
        return None
    try:
        return _Form(stack).text()
    except _Anew:
        return None


def load_evaluated(text: str, sources: Sequence[Source], evaluate: Callable[[], Stack]) -> Stack:
    """The stack that `dump_evaluated` wrote for the same ``sources``; ``evaluate`` reads them, when that is needed.

    Raises:
        ValueError: the text is no such form.
    """
    try:
        return _restore(parse_json(text), tuple(sources), _Later(evaluate))
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
        ArithmeticError,
    ) as error:
        raise ValueError(f"no evaluated stack: {error}") from None


class _Form:
    """Builds the text. Fields, references and lifecycles are written once each, and told by their numbers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.places = {source.path: number for number, source in enumerate(stack.sources)}
        self.fields: dict[tuple[str, ...], int] = {}
        self.lifecycles: dict[Lifecycle, int] = {_LIFECYCLE: 0}
        self.references: dict[Reference, int] = {}

    def text(self) -> str:
        stack = self.stack
        rows = [self.resource(resource) for resource in stack.resources.values()]
        outputs = [self.output(output) for output in stack.outputs.values()]
        form = {
            "name": stack.name,
            "description": stack.description,
            "provider": [getattr(stack.provider, name) for name in _PROVIDER],
            "provider_span": self.span(stack.provider.span),
            "budget": [str(x) if x is not None else None for x in _budget(stack.budget)],
            "budget_span": self.span(stack.budget.span),
            "limits": [getattr(stack.limits, name) for name in _LIMITS],
            "limits_span": self.span(stack.limits.span),
            "moved": [[one.origin, one.to, self.span(one.span)] for one in stack.moved],
            "removed": [[one.origin, one.destroy, self.span(one.span)] for one in stack.removed],
            "imports": [[str(one.to), one.id, one.name, self.span(one.span)] for one in stack.imports],
            "variables": [self.variable(one) for one in stack.variables.values()],
            "outputs": outputs,
            "shapes": _shared(list(self.fields), rows),
            "lifecycles": [asdict(one) for one in self.lifecycles],
            "references": [[str(one.address), one.attribute] for one in self.references],
            "resources": rows,
        }
        return json.dumps(form, ensure_ascii=False, separators=(",", ":"))

    def resource(self, resource: Resource) -> list[Any]:
        if resource.requirements:
            raise _Anew
        holes: list[Any] = []
        config = resource.config
        values = [self.value(value, (name,), holes) for name, value in config.items()]
        row = [
            str(resource.address),
            self.fields.setdefault(tuple(config), len(self.fields)),
            values,
            self.span(resource.span),
            resource.snippet,
        ]
        more = [
            holes,
            [self.reference(one) for one in resource.references],
            self.lifecycles.setdefault(resource.lifecycle, len(self.lifecycles)),
            [
                [str(one.address), one.condition.value, one.failed_ok, self.span(one.span)]
                for one in resource.depends_on
            ],
            {name: limit.total_seconds() for name, limit in resource.timeouts.items()},
        ]
        return [*row, *more] if any(more) else row

    def variable(self, variable: VariableValue) -> list[Any]:
        if variable.sensitive:
            raise _Anew
        holes: list[Any] = []
        value = self.value(variable.value, (), holes)
        if holes:
            raise _Anew
        return [variable.name, value, variable.source]

    def output(self, output: Output) -> list[Any]:
        if output.sensitive:
            raise _Anew
        holes: list[Any] = []
        value = self.value(output.value, ("value",), holes)
        references = [self.reference(one) for one in output.references]
        return [
            output.name,
            value,
            output.description,
            references,
            self.span(output.span),
            output.type,
            holes,
        ]

    def value(self, value: Any, path: Path, holes: list[Any]) -> Any:
        """``value`` as JSON-shaped data; what is not known yet leaves a hole, which is filled from ``holes``."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is list:
            return [self.value(item, (*path, index), holes) for index, item in enumerate(value)]
        if kind is dict and all(type(key) is str for key in value):
            return {key: self.value(item, (*path, key), holes) for key, item in value.items()}
        # Why: others are computed by their expressions, or are a `Sensitive`, which no file may hold.
        if kind is not Unknown or not value.is_bare or value.sensitive or value.needs:
            raise _Anew
        holes.append([path, self.reference(value.references[0]), value.source, value.type])
        return None

    def reference(self, reference: Reference) -> int:
        return self.references.setdefault(reference, len(self.references))

    def span(self, span: Span | None) -> list[int] | None:
        if span is None:
            return None
        place = self.places.get(span.source)
        if place is None:
            raise _Anew
        return [place, span.line, span.column, span.end_line, span.end_column]


_REFACTORINGS = ("moved", "removed", "imports")
_PROVIDER = ("type", "project", "region", "api_url")
_LIMITS = ("max_resources", "max_instances", "max_gpus", "max_storage_gb", "max_destroys")


def _shared(fields: Sequence[Sequence[str]], rows: Sequence[list[Any]]) -> list[list[Any]]:
    """For each set of fields: the values that all its resources share, taken out of their rows, and the other fields.

    Only plain values are shared: what is restored from lists and mappings belongs to one resource.
    """
    shapes = []
    owners: list[list[list[Any]]] = [[] for _ in fields]
    for row in rows:
        owners[row[1]].append(row)
    for names, own in zip(fields, owners, strict=True):
        first = own[0][2]
        varying = [
            at
            for at, value in enumerate(first)
            if type(value) not in _PLAIN
            or any(type(row[2][at]) is not type(value) or row[2][at] != value for row in own)
        ]
        base = {name: None if at in varying else first[at] for at, name in enumerate(names)}
        shapes.append([base, [names[at] for at in varying]])
        for row in own:
            row[2] = [row[2][at] for at in varying]
    return shapes


def _budget(budget: Budget) -> tuple[Decimal | None, ...]:
    return budget.max_hourly_usd, budget.max_committed_usd


class _Later:
    """The stack as its text says, evaluated once someone asks for what the form does not hold."""

    def __init__(self, evaluate: Callable[[], Stack]) -> None:
        self._evaluate = evaluate

    @cached_property
    def stack(self) -> Stack:
        return self._evaluate()

    def span_of(self, address: Address, path: Path) -> tuple[Span | None, str]:
        return self.stack.resources[address].span_of(path)

    def origins_of(self, address: Address, path: Path) -> tuple[Origin, ...]:
        return self.stack.resources[address].origins_of(path)

    def absence_of(self, address: Address) -> Absence | None:
        return self.stack.absence_of(address)


def _restore(form: Mapping[str, Any], sources: tuple[Source, ...], later: _Later) -> Stack:
    names = [source.path for source in sources]

    def span(at: Sequence[int] | None) -> Span | None:
        return None if at is None else Span(names[at[0]], *at[1:])

    parse = Address.parse
    shapes = [(dict(base), tuple(varying)) for base, varying in form["shapes"]]
    references = [Reference(parse(address), attribute) for address, attribute in form["references"]]
    lifecycles = [_lifecycle(one) for one in form["lifecycles"]]

    def fill(holder: Any, holes: Sequence[Any]) -> None:
        for path, number, source, type_ in holes:
            target = holder
            for part in path[:-1]:
                target = target[part]
            target[path[-1]] = Unknown((references[number],), source, type=type_)

    resources: dict[Address, Resource] = {}
    for text, shape, values, at, snippet, *more in form["resources"]:
        address = parse(text)
        base, varying = shapes[shape]
        config = dict(base)
        config.update(zip(varying, values, strict=True))
        asked: tuple[Reference, ...] = ()
        depends_on: tuple[Dependency, ...] = ()
        lifecycle, timeouts = lifecycles[0], {}
        unknown: tuple[str, ...] = ()
        if more:
            holes, numbers, number, edges, limits = more
            fill(config, holes)
            unknown = tuple(dict.fromkeys([path[0] for path, *_ in holes]))
            asked = tuple([references[one] for one in numbers])
            lifecycle = lifecycles[number]
            depends_on = tuple(
                [Dependency(parse(one), Condition(how), ok, span(there)) for one, how, ok, there in edges]
            )
            timeouts = {name: timedelta(seconds=limit) for name, limit in limits.items()}
        resources[address] = Resource(
            address, config, asked, depends_on, lifecycle, timeouts, (), span(at), snippet,
            partial(later.span_of, address), partial(later.origins_of, address), unknown,
        )  # fmt: skip
    outputs = {}
    for name, value, description, numbers, at, type_, holes in form["outputs"]:
        holder = {"value": value}
        fill(holder, holes)
        outputs[name] = Output(
            name,
            holder["value"],
            description,
            False,
            tuple(references[one] for one in numbers),
            span(at),
            type_,
        )
    moved, removed, imports = _refactorings(form, span) if any(map(form.get, _REFACTORINGS)) else ((), (), ())
    hourly, committed = [None if one is None else Decimal(one) for one in form["budget"]]
    return Stack(
        name=form["name"],
        resources=resources,
        outputs=outputs,
        variables={name: VariableValue(name, value, source) for name, value, source in form["variables"]},
        provider=_of(ProviderSettings, _PROVIDER, form["provider"], span(form["provider_span"])),
        sources=sources,
        description=form["description"],
        moved=moved,
        removed=removed,
        imports=imports,
        budget=Budget(hourly, committed, span(form["budget_span"])),
        limits=_of(Limits, _LIMITS, form["limits"], span(form["limits_span"])),
        absence_of=later.absence_of,
    )


def _refactorings(
    form: Mapping[str, Any], span: Callable[[Sequence[int] | None], Span | None]
) -> tuple[tuple[Moved, ...], tuple[Removed, ...], tuple[Import, ...]]:
    from flowplan.lang.entries import Import, Moved, Removed

    return (
        tuple(Moved(origin, to, span(at)) for origin, to, at in form["moved"]),
        tuple(Removed(origin, destroy, span(at)) for origin, destroy, at in form["removed"]),
        tuple(Import(Address.parse(to), id, name, span(at)) for to, id, name, at in form["imports"]),
    )


def _of(made: type[_Section], names: Sequence[str], values: Sequence[Any], span: Span | None) -> _Section:
    told: dict[str, Any] = dict(zip(names, values, strict=True))
    return made(**told, span=span)


def _lifecycle(fields: Mapping[str, Any]) -> Lifecycle:
    told: dict[str, Any] = {name: tuple(one) if type(one) is list else one for name, one in fields.items()}
    return Lifecycle(**told)
