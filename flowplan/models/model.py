"""What makes a class a documented model: facts about each field, rules across fields, all problems at once.

One declaration per field feeds validation, the JSON Schema (`flowplan.models.schema`) and the reference
table (`flowplan.models.table`). Validation runs when a model is constructed in any way (by name, by
`flowplan.models.structure`, by ``attrs.evolve``) and when `Model.check` is called after an assignment.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

import attrs

from flowplan.values.classes import frozen
from flowplan.values.convert import Invalid, Mismatch, Problem, problems_of, unknown_key

_KEY = "flowplan"
_MISSING = object()

Check = Callable[[Any], Mismatch | None]
M = TypeVar("M", bound="Model")
R = TypeVar("R", bound=Callable[..., Iterator[Problem]])


@frozen
class Fact:
    """What is known of one field beyond its type and default.

    ``minimum`` and ``maximum`` are inclusive, ``above`` exclusive. ``pattern`` must match the whole text;
    ``shape`` says it in words. ``items`` holds the facts of a list's items. ``hook`` replaces the type's own
    conversion. ``note`` is a constraint in words for the table, where code holds the rule. ``secret`` fields
    are never echoed in a message.
    """

    doc: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    pattern: str = ""
    shape: str = ""
    min_length: int = 0
    max_length: int | None = None
    items: Fact | None = None
    hook: Callable[[Any], Any] | None = None
    note: str = ""
    secret: bool = False


def fact(doc: str, **more: Any) -> dict[str, Any]:
    """The ``metadata`` of an attrs field: its meaning, and the fields of `Fact`."""
    return {_KEY: Fact(doc, **more)}


def fact_of(attribute: attrs.Attribute[Any]) -> Fact:
    """The facts declared for a field."""
    found = attribute.metadata.get(_KEY)
    return found if isinstance(found, Fact) else Fact()


def rule(*inputs: str) -> Callable[[R], R]:
    """Mark a method as a rule across fields; it yields problems and is skipped while an input is invalid."""

    def mark(method: R) -> R:
        method.__dict__["rule_inputs"] = frozenset(inputs)
        return method

    return mark


@frozen
class Field:
    """What validation needs of one field. ``own`` is the hook that its facts declare, ``hook`` what is called."""

    name: str
    required: bool
    default: Any
    factory: Callable[[], Any] | None
    hook: Callable[[Any, Any], Any]
    kind: Any
    check: Check | None
    secret: bool
    exact: frozenset[type]
    """Types whose values the hook gives back as they are; it need not be called for them."""
    own: Callable[[Any], Any] | None = None


@frozen
class Blueprint:
    """Everything validation needs of a class."""

    fields: tuple[Field, ...]
    names: frozenset[str]
    rules: tuple[tuple[frozenset[str], str], ...]
    hidden: tuple[tuple[str, Any], ...]
    """Fields that are no data, with their defaults."""


_blueprints: dict[type, Blueprint] = {}


def blueprint(kind: type) -> Blueprint:
    """Everything validation needs of a class, worked out once."""
    found = _blueprints.get(kind)
    if found is None:
        found = _blueprints[kind] = _draw_up(kind)
    return found


def _draw_up(kind: Any) -> Blueprint:
    attrs.resolve_types(kind)
    fields = tuple(_field(attribute) for attribute in attrs.fields(kind) if attribute.init)
    rules: dict[str, frozenset[str]] = {}
    for base in reversed(kind.__mro__):
        for name, member in vars(base).items():
            inputs = getattr(member, "rule_inputs", None)
            if inputs is not None:
                rules[name] = inputs
    return Blueprint(
        fields,
        frozenset(f.name for f in fields),
        tuple((inputs, name) for name, inputs in rules.items()),
        tuple((a.name, a.default) for a in attrs.fields(kind) if not a.init),
    )


def _field(attribute: attrs.Attribute[Any]) -> Field:
    facts = fact_of(attribute)
    default: Any = attribute.default
    factory = default.factory if isinstance(default, attrs.Factory) else None  # type: ignore[arg-type]
    return Field(
        name=attribute.name,
        required=default is attrs.NOTHING,
        default=_MISSING if factory or default is attrs.NOTHING else default,
        factory=factory,
        hook=_hook(facts, attribute.type),
        kind=attribute.type,
        check=_check(facts),
        secret=facts.secret,
        own=facts.hook,
        exact=frozenset() if facts.hook or facts.items else _exact(attribute.type),
    )


def _exact(kind: Any) -> frozenset[type]:
    """The scalar types that a field's own type takes unchanged."""
    arms = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if not all(arm in _TAKEN or get_origin(arm) is list for arm in arms):
        return frozenset()
    return frozenset(arm for arm in arms if arm in (str, int, bool))


_TAKEN = (str, int, bool, type(None))


def _hook(facts: Fact, kind: Any) -> Callable[[Any, Any], Any]:
    from flowplan.values.strict import each, hook_for

    own = facts.hook
    if own is not None:
        return lambda value, _: own(value)
    check = _check(facts.items) if facts.items else None
    if check is None:
        return hook_for(kind)
    (item_kind,) = get_args(kind)
    convert = hook_for(item_kind)

    def item(value: Any, _: Any) -> Any:
        turned = convert(value, item_kind)
        fault = check(turned)
        if fault:
            raise fault
        return turned

    return lambda value, _: each(value, item, item_kind)


def _check(facts: Fact) -> Check | None:
    """The check of a field's facts, or None where there is nothing to check."""
    checks = [*_range_check(facts), *_text_check(facts)]
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]
    return lambda value: next((found for check in checks if (found := check(value))), None)


def bounds_text(facts: Fact) -> str:
    """The range in words: ``between 1 and 100``; "" where there is none."""
    low, high, above = facts.minimum, facts.maximum, facts.above
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}"
    if above is not None and high is not None:
        return f"more than {above:g} and at most {high:g}"
    if above is not None:
        return f"more than {above:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def _range_check(facts: Fact) -> Iterator[Check]:
    words = bounds_text(facts)
    low, high, above = facts.minimum, facts.maximum, facts.above

    def check(value: Any) -> Mismatch | None:
        if value is None or (
            (low is None or value >= low)
            and (high is None or value <= high)
            and (above is None or value > above)
        ):
            return None
        shown = f"{value:g}" if isinstance(value, float) else _shown(value)
        return Mismatch(f"must be {words}, not {shown}", given=value)

    if words:
        yield check


def _text_check(facts: Fact) -> Iterator[Check]:
    shortest, longest = facts.min_length, facts.max_length
    if shortest or longest is not None:

        def length(value: Any) -> Mismatch | None:
            if value is None or (len(value) >= shortest and (longest is None or len(value) <= longest)):
                return None
            words = f"{shortest} to {longest}" if longest is not None else f"at least {shortest}"
            return Mismatch(f"must be {words} characters long, not {len(value)}", given=value)

        yield length
    if facts.pattern:
        matches = re.compile(facts.pattern).fullmatch

        def pattern(value: Any) -> Mismatch | None:
            if value is None or matches(value):
                return None
            return Mismatch(f"must be {facts.shape}, not {_shown(value)}", _fitting(value, matches), value)

        yield pattern


def _fitting(value: Any, matches: Callable[[str], object]) -> str:
    """Advice with the nearest text that a pattern takes, where there is an obvious one."""
    if not isinstance(value, str):
        return ""
    plain = re.sub(r"[^a-zA-Z0-9._-]+", "-", value).strip("-._")
    lower = re.sub(r"[^a-z0-9-]+", "-", value.lower()).strip("-")
    return next((f"Write {text}." for text in (plain, lower) if matches(text)), "")


def _form(cls: type, data: Any) -> str:
    """How a mapping of a model begins: with its required fields, else with its first one."""
    fields = blueprint(cls).fields
    names = [f.name for f in fields if f.required] or [fields[0].name]
    value = _shown(data) if type(data) is int and len(names) == 1 else "…"
    return f"Write {{{', '.join(f'{name}: {value}' for name in names)}}}."


def _shown(value: Any) -> str:
    from flowplan.values.strict import show

    return show(value)


class Model:
    """The base of all documented models."""

    __slots__ = ()

    _aliases_: ClassVar[Mapping[str, str]] = {}
    """Other names a field is accepted under, where its own is absent."""
    _retired_: ClassVar[Mapping[str, str]] = {}
    """Keys of the past, each with the advice that names its replacement."""

    def __attrs_post_init__(self) -> None:
        _settle(self, [], set(), blueprint(type(self)).fields)

    def _derive(self, bad: frozenset[str]) -> None:
        """Fill in what follows from other fields; ``bad`` are the fields whose values are not valid."""

    def _finish(self) -> None:
        """Last touches to a value that is valid."""

    def check(self) -> Self:
        """Validate all fields again, for use after an assignment; returns the model itself.

        Raises:
            Invalid: with all problems.
        """
        _settle(self, [], set(), blueprint(type(self)).fields)
        return self

    @classmethod
    def __structure__(cls, data: Any) -> Self:
        """The model that ``data`` spells: a mapping of fields, or an instance, which is taken as it is.

        Raises:
            Mismatch: it is neither.
            Invalid: with all problems of its fields.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise Mismatch(f"must be a mapping ({cls.__name__}), not {_shown(data)}", _form(cls, data), data)
        plan = blueprint(cls)
        problems: list[Problem] = []
        if not plan.names.issuperset(data):
            data, problems = _rename(cls, plan, data)
        model = object.__new__(cls)
        bad: set[str] = set()
        written = []
        put = object.__setattr__
        for one in plan.fields:
            value = data.get(one.name, _MISSING)
            if value is not _MISSING:
                put(model, one.name, value)
                written.append(one)
            elif one.required:
                put(model, one.name, None)
                problems.append(Problem((one.name,), f"{one.name} is required"))
                bad.add(one.name)
            else:
                put(model, one.name, one.factory() if one.factory else one.default)
        for name, default in plan.hidden:
            put(model, name, default)
        _settle(model, problems, bad, written)
        return model


def _rename(
    kind: type[Model], plan: Blueprint, data: Mapping[Any, Any]
) -> tuple[Mapping[Any, Any], list[Problem]]:
    """``data`` with aliases replaced by field names, and a problem for each key that is neither."""
    result, problems = {}, []
    for key, value in data.items():
        own = kind._aliases_.get(key) if isinstance(key, str) else None
        if isinstance(key, str) and key in plan.names:
            result[key] = value
        elif own and own not in data:
            result[own] = value
        elif own:
            problems.append(
                Problem((key,), f"{key} is another name of {own}, which is given too", f"Keep only {own}.")
            )
        else:
            problems.append(unknown_key(key, (f.name for f in plan.fields), kind._retired_))
    return result, problems


def _settle(model: Model, problems: list[Problem], bad: set[str], written: Iterable[Field]) -> None:
    """Convert and check the ``written`` fields of ``model`` in place, then run the rules.

    Raises:
        Invalid: with ``problems`` and all that were found.
    """
    put = object.__setattr__
    for one in written:
        name = one.name
        value = getattr(model, name)
        if value is one.default:
            continue
        try:
            settled = value if type(value) in one.exact else one.hook(value, one.kind)
            if one.check is not None:
                found = one.check(settled)
                if found is not None:
                    raise found
        except (Mismatch, Invalid) as error:
            bad.add(name)
            problems.extend(_hidden(p) if one.secret else p for p in problems_of(error, (name,)))
            continue
        if settled is not value:
            put(model, name, settled)
    model._derive(frozenset(bad))
    for inputs, method in blueprint(type(model)).rules:
        if not bad or bad.isdisjoint(inputs):
            problems.extend(getattr(model, method)())
    if problems:
        raise Invalid(problems)
    model._finish()


def _hidden(problem: Problem) -> Problem:
    return Problem(problem.path, problem.message, problem.suggestion)


def put(model: Model, name: str, value: Any) -> None:
    """Set a field while a model is being settled, frozen or not."""
    object.__setattr__(model, name, value)
