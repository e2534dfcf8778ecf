"""Variables: how they are declared, where their values come from, and what their types accept.

Values are taken from the strongest source that has one (stack-language.md, decision 12). No message holds
a value: it may be a secret, or stand beside one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from flowplan.lang.build import parse_document
from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.findings import Findings
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.stack import Source, VariableValue
from flowplan.lang.template import is_template, templates
from flowplan.lang.words import ExpressionError
from flowplan.lang.world import World
from flowplan.values.diagnostic import Diagnostic, Diagnostics, Severity, Span, did_you_mean
from flowplan.values.quantity import Money, format_instant, parse_duration, parse_instant
from flowplan.values.value import Sensitive

_FIELDS = ("type", "default", "description", "sensitive", "validate")
_SIZE = re.compile(r"(\d+)\s*(GB|TB|G|T)?", re.IGNORECASE)
_MISSING: Any = object()


def _nowhere(name: str) -> tuple[Span | None, str]:
    return None, ""


@frozen
class VariableSource:
    """Values for variables from one place. ``name`` is that place as the user knows it.

    ``is_text`` values are texts still to be read by the declared type (the environment, ``--var``). A
    ``lenient`` source may have names the stack does not declare (the environment): a warning, no error.
    """

    name: str
    values: Mapping[str, Any]
    is_text: bool = False
    lenient: bool = False
    span_of: Callable[[str], tuple[Span | None, str]] = field(default=_nowhere, eq=False, repr=False)


def parse_variables(source: Source) -> tuple[VariableSource, Diagnostics]:
    """The values in a variables file (``flowplan.vars.yaml``, ``--var-file``), which is never quoted in messages."""
    document, found = parse_document(source.path, source.text, secret=True)
    root = document.root
    if root is not None and type(root) is not Map:
        found.error(
            f"a variables file is a mapping of names to values, not {describe(root)}",
            span=document.span(0),
            suggestion="Write name: value, one a line.",
        )
        root = None
    values = Map() if root is None else root

    def span_of(name: str) -> tuple[Span | None, str]:
        at = values.key_at(name)
        return document.span(at, at + len(str(name))), ""

    plain = {key: _plain(value) for key, value in values.items()}
    return VariableSource(source.path, plain, span_of=span_of), found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _string(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def _int(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number")
    return value


def _bool(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("a list")
    return value


def _map(value: Any) -> Any:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError("a mapping with texts as keys")
    return value


def _duration(value: Any) -> Any:
    try:
        parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("a duration such as 30s, 10m or 2h") from None
    return value.strip()


def _size(value: Any) -> Any:
    match = (
        _SIZE.fullmatch(str(value).strip())
        if isinstance(value, (str, int)) and not isinstance(value, bool)
        else None
    )
    if match is None or len(match[1]) > 12:
        raise ValueError("a size such as 500GB or 2TB, or whole gigabytes")
    return int(match[1]) * (1000 if (match[2] or "").upper().startswith("T") else 1)


def _money(value: Any) -> Any:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        return Money.parse(str(value)).dollars
    except (ValueError, ArithmeticError):
        raise ValueError("an amount of money such as $12.34") from None


def _timestamp(value: Any) -> Any:
    try:
        return format_instant(parse_instant(value if isinstance(value, str) else ""))
    except (ValueError, OverflowError):
        raise ValueError("a time such as 2026-12-01T00:00:00Z") from None


TYPES: Mapping[str, Callable[[Any], Any]] = {
    "string": _string, "int": _int, "number": _number, "bool": _bool, "list": _list, "map": _map,
    "object": _map, "duration": _duration, "size": _size, "money": _money, "timestamp": _timestamp,
}  # fmt: skip
"""What a type makes of a value: its canonical form (``size``: gigabytes, ``money``: dollars), or ValueError."""
_TEXTUAL = ("string", "duration", "timestamp", "size", "money")


def read_text(kind: str | None, text: str) -> Any:
    """The value of a text from the environment or the command line, by the declared type.

    Raises:
        ValueError: it is not even YAML.
    """
    if kind is None or kind in _TEXTUAL:
        return text
    document, found = parse_document("value", text, secret=True)
    if found:
        raise ValueError(f"a value of type {kind}")
    return _plain(document.root)


class Declared:
    """One entry of ``variables`` as it is written."""

    def __init__(self, name: str, document: Document, at: int) -> None:
        self.name, self.document, self.at = name, document, at
        self.type: str | None = None
        self.default: Any = _MISSING
        self.default_at = at
        self.description = ""
        self.sensitive = False
        self.validate: Any = None
        self.validate_at = at
        self.ok = True


def declare(world: World, name: str, document: Document, at: int, node: Any, node_at: int) -> Declared:
    """Read one declaration; mistakes are reported, and it is then not ``ok``."""
    declared = Declared(name, document, at)
    scope = Scope(world, document)
    if node is None:
        return declared
    if type(node) is not Map:
        scope.fail(
            node_at,
            f"a variable is declared by a mapping, not {describe(node)}",
            f"Write {name}: {{default: …}}.",
        )
        declared.ok = False
        return declared
    for key, value in node.items():
        place = node.value_at(key)
        if key == "type":
            if isinstance(value, str) and value in TYPES:
                declared.type = value
            else:
                near = did_you_mean(value, TYPES) if isinstance(value, str) else ""
                shown = repr(value) if isinstance(value, str) else describe(value)
                scope.fail(place, f"there is no type {shown}", near or f"The types are: {', '.join(TYPES)}.")
        elif key == "default":
            declared.default, declared.default_at = _plain(value), place
        elif key == "description" and isinstance(value, str):
            declared.description = value
        elif key == "sensitive":
            declared.sensitive = value is not False
            if not isinstance(value, bool):
                scope.fail(place, f"sensitive must be true or false, not {describe(value)}")
        elif key == "validate":
            declared.validate, declared.validate_at = value, place
        elif key == "description":
            scope.fail(place, f"description must be a text, not {describe(value)}")
        else:
            unknown_key(scope, node, key, "a variable", _FIELDS)
    if declared.sensitive and declared.default is not _MISSING:
        document.hide(declared.default_at, str(declared.default))
        world.findings.keep_secret(declared.default)
    if declared.default is not _MISSING and any(True for _ in templates(node["default"])):
        scope.fail(
            declared.default_at,
            "a default is a plain value, without expressions",
            "Compute it under locals:.",
        )
    declared.ok = not scope.broken
    return declared


def settle(
    world: World, declared: Mapping[str, Declared], inputs: Sequence[VariableSource]
) -> dict[str, VariableValue]:
    """Give every declared variable its value and put it into the world; mistakes are reported."""
    findings = world.findings
    given: dict[str, tuple[Any, VariableSource]] = {}
    for source in inputs:
        for name, value in source.values.items():
            if name in declared:
                given[name] = (value, source)
                if declared[name].sensitive:
                    findings.keep_secret(value)
            else:
                _undeclared(findings, declared, source, name)
    values: dict[str, VariableValue] = {}
    chosen: VariableSource | None
    for name, variable in declared.items():
        if not variable.ok:
            world.broken_variables.add(name)
            continue
        if name in given:
            raw, chosen = given[name]
            origin = _origin(chosen, name)
            is_text = chosen.is_text
        elif variable.default is not _MISSING:
            raw, origin, is_text, chosen = variable.default, "default", False, None
        else:
            _missing(findings, variable)
            world.broken_variables.add(name)
            continue
        try:
            value = read_text(variable.type, raw) if is_text else raw
            nullable = value is None and variable.default is None
            if variable.type is not None and not nullable:
                value = TYPES[variable.type](value)
        except ValueError as error:
            # Why only here: to find where a value ends is to parse the file again
            where = chosen.span_of(name) if chosen is not None else None
            span, snippet = where or variable.document.locate(variable.default_at)
            findings.add_problem(
                f"the variable {name} must be {error}, not {describe(raw)}",
                f"The value comes from: {origin}.",
                span,
                snippet,
                None,
            )
            world.broken_variables.add(name)
            continue
        if variable.validate is not None and not _valid(world, variable, value, origin):
            world.broken_variables.add(name)
            continue
        kept = Sensitive(value) if variable.sensitive else value
        world.variables[name] = kept
        values[name] = VariableValue(name, kept, origin, variable.sensitive)
    return values


def _origin(source: VariableSource, name: str) -> str:
    return (
        source.name.replace("*", name)
        if "*" in source.name
        else f"{source.name} {name}"
        if source.name.startswith("--")
        else source.name
    )


def _undeclared(
    findings: Findings, declared: Mapping[str, Declared], source: VariableSource, name: str
) -> None:
    span, snippet = source.span_of(name)
    listed = (
        f"The stack declares: {', '.join(sorted(declared))}."
        if declared
        else "The stack declares no variables."
    )
    findings.add(
        Diagnostic(
            Severity.WARNING if source.lenient else Severity.ERROR,
            f"the stack has no variable {str(name)!r}",
            f"A value for it comes from: {_origin(source, str(name))}.",
            span or Span(_origin(source, str(name))),
            None,
            did_you_mean(str(name), declared) or listed,
            snippet,
        )
    )


def _missing(findings: Findings, variable: Declared) -> None:
    kind = f" ({variable.type})" if variable.type else ""
    about = f": {variable.description}" if variable.description else ""
    findings.at(
        variable.document,
        variable.at,
        f"the variable {variable.name}{kind} has no value",
        f"Give it with --var {variable.name}=…, in FLOWPLAN_VAR_{variable.name}, or in flowplan.vars.yaml.",
        end=variable.at + len(variable.name),
        detail=f"{variable.name}{kind}{about}" if about else "",
    )


def _valid(world: World, variable: Declared, value: Any, origin: str) -> bool:
    """Whether ``validate`` holds for a value; reported where not."""
    scope = Scope(world, variable.document, value=(value,))
    rule, at, message = variable.validate, variable.validate_at, ""
    if type(rule) is Map:
        for key in rule:
            if key not in ("assert", "message"):
                unknown_key(scope, rule, key, "validate", ("assert", "message"))
        message = str(rule.get("message") or "")
        at = rule.value_at("assert") if "assert" in rule else at
        rule = rule.get("assert")
    if not isinstance(rule, str) or not is_template(rule):
        scope.fail(
            at, "validate takes an expression over value", 'Write it as validate: "{{ 1 <= value <= 64 }}".'
        )
        return False
    try:
        holds = scope.text(rule, at)
    except (Silent, ExpressionError):
        return False
    if scope.broken:
        return False
    if not isinstance(holds, bool):
        scope.fail(at, f"validate must give true or false, and gives {describe(holds)}")
        return False
    if not holds:
        shown = "" if variable.sensitive or not isinstance(value, (str, int, float)) else f" {value!r}"
        reason = message or f"It must satisfy {rule.strip()}."
        world.findings.at(
            variable.document,
            at,
            f"the value{shown[:200]} of the variable {variable.name} is not valid",
            reason,
            detail=f"The value comes from: {origin}.",
        )
    return holds
