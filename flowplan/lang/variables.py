"""Variables: how they are declared, where their values come from, and what their types accept.

Values are taken from the strongest source that has one (stack-language.md, decision 12). No message holds
a value: it may be a secret, or stand beside one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field

from flowplan.lang.build import parse_document
from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map, Seq
from flowplan.lang.findings import Findings
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.secret_source import fetch, secret_name
from flowplan.lang.secrets import hide_fields
from flowplan.lang.sections import listed
from flowplan.lang.stack import Source, VariableValue
from flowplan.lang.template import is_template, templates
from flowplan.lang.value_types import TYPES, BadType, Misfit, ValueType, plain, read_text, type_of
from flowplan.lang.words import ExpressionError
from flowplan.lang.world import World
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, Diagnostics, Severity, Span, did_you_mean
from flowplan.values.value import Path, Sensitive, Unknown, path_text

FIELDS = ("type", "fields", "default", "description", "sensitive", "secret", "validate", "deprecated")
_MOST_MISFITS = 20
"""The most mistakes that are told of one value."""
_MOST_ADVISED = 100
"""For how many names that no one declares the nearest one is looked for."""
__all__ = ["TYPES", "Declared", "VariableSource", "declare", "parse_variables", "read_text", "settle"]
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

    places: dict[Any, int] = {}

    def span_of(name: str) -> tuple[Span | None, str]:
        if not places:  # Why all at once: each by itself is looked for from the first on
            places.update(zip(values, values.marks[::2], strict=False))
        at = places[name]
        return document.span(at, at + len(str(name))), ""

    bare = {key: plain(value) for key, value in values.items()}
    return VariableSource(source.path, bare, span_of=span_of), found


class Declared:
    """One entry of ``variables`` as it is written."""

    def __init__(self, name: str, document: Document, at: int) -> None:
        self.name, self.document, self.at = name, document, at
        self.type: ValueType | None = None
        self.default: Any = _MISSING
        self.default_at = at
        self.description = ""
        self.sensitive = False
        self.secret = ""
        self.validate: Any = None
        self.validate_at = at
        self.deprecated = ""
        self.node: Any = None
        self.ok = True


def _offset(document: Document, node: Map, error: BadType) -> int:
    """Where a mistake in a type stands."""
    if not error.in_key:
        return document.offset_of(error.at, node)
    holder: Any = node
    for part in error.at[:-1]:
        holder = holder[part]
    return int(holder.key_at(error.at[-1]))


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
    declared.node = node
    if any(key not in FIELDS and "sensitive" in did_you_mean(str(key), FIELDS) for key in node):
        world.findings.keep_secret([plain(one) for one in hide_fields(document, node)])
    declared.type, wrong = type_of(node)
    for error in wrong:
        scope.fail(_offset(document, node, error), error.message, error.suggestion)
    for key, value in node.items():
        place = node.value_at(key)
        if key in ("type", "fields"):
            continue
        if key == "deprecated":
            declared.deprecated = value if isinstance(value, str) else "It is not needed any more."
            if value is False:
                declared.deprecated = ""
            elif value is not True and not isinstance(value, str):
                advice = "Write deprecated: Use OTHER instead."
                scope.fail(place, f"deprecated must be a text, not {describe(value)}", advice)
        elif key == "default":
            declared.default, declared.default_at = plain(value), place
        elif key == "description" and isinstance(value, str):
            declared.description = value
        elif key == "sensitive":
            declared.sensitive = value is not False
            if not isinstance(value, bool):
                advice = "Write true or false, without quotes."
                scope.fail(place, f"sensitive must be true or false, not {describe(value)}", advice)
        elif key == "secret":
            declared.secret = secret_name(scope, value, place)
            declared.sensitive = True
        elif key == "validate":
            declared.validate, declared.validate_at = value, place
        elif key == "description":
            scope.fail(place, f"description must be a text, not {describe(value)}")
        else:
            unknown_key(scope, node, key, "a variable", FIELDS)
            declared.sensitive = True  # Why: it may be what was meant by it
    if declared.default is not _MISSING and any(True for _ in templates(node["default"])):
        scope.fail(
            declared.default_at,
            "a default is a plain value, without expressions",
            "Compute it under locals:.",
        )
    if declared.secret and node.get("sensitive") is False:
        scope.fail(node.value_at("sensitive"), "a secret is always sensitive", "Remove this line.")
        declared.sensitive = True
    declared.ok = not scope.broken
    return declared


def in_doubt(broken: Iterable[str]) -> bool:
    """Whether no one can tell which variables are sensitive, given the texts of declarations that are wrong.

    Where a line is indented wrongly, what it says of one variable stands beside another.
    """
    return any("sensitive" in text for text in broken)


def settle(
    world: World, declared: Mapping[str, Declared], inputs: Sequence[VariableSource], doubtful: bool = False
) -> dict[str, VariableValue]:
    """Give every declared variable its value and put it into the world; mistakes are reported.

    ``doubtful``: a declaration may be missing, so that no one can tell what is sensitive.
    """
    findings = world.findings
    given: dict[str, tuple[Any, VariableSource]] = {}
    undeclared = 0
    if doubtful or in_doubt(variable.document.text for variable in declared.values() if not variable.ok):
        for variable in declared.values():
            variable.sensitive = True
    for source in inputs:
        for name, value in source.values.items():
            if name in declared:
                given[name] = (value, source)
                if declared[name].sensitive:
                    findings.keep_secret(value)
            else:
                _undeclared(findings, declared, source, name, undeclared < _MOST_ADVISED)
                undeclared += 1
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
        elif variable.secret:
            raw, origin = (
                fetch(Scope(world, variable.document), variable, world.shared.secrets),
                f"secret {variable.secret}",
            )
            if raw is None or type(raw) is Unknown:
                world.broken_variables.add(name) if raw is None else world.variables.update({name: raw})
                continue
            is_text, chosen = True, VariableSource(f"secret {variable.secret}", {}, is_text=True)
        elif variable.default is not _MISSING:
            raw, origin, is_text, chosen = variable.default, "default", False, None
        else:
            _missing(findings, variable)
            world.broken_variables.add(name)
            continue
        value, misfits = _typed(variable, raw, is_text)
        if misfits:
            for misfit in misfits[:_MOST_MISFITS]:
                _misfit(findings, variable, misfit, chosen, origin)
            world.broken_variables.add(name)
            continue
        if variable.deprecated and chosen is not None:
            span, snippet = chosen.span_of(name)
            findings.add(
                Diagnostic.warning(
                    f"the variable {name} is deprecated",
                    span=span or Span(origin),
                    suggestion=variable.deprecated,
                    snippet=snippet,
                )
            )
        if variable.validate is not None and not _valid(world, variable, value, origin):
            world.broken_variables.add(name)
            continue
        kept = Sensitive(value) if variable.sensitive else value
        world.variables[name] = kept
        values[name] = VariableValue(name, kept, origin, variable.sensitive)
    return values


def _typed(variable: Declared, raw: Any, is_text: bool) -> tuple[Any, list[Misfit]]:
    """A value as its type has it, and what does not fit."""
    kind = variable.type
    try:
        value = read_text(kind.word if kind is not None else None, raw) if is_text else raw
    except ValueError as error:
        return raw, [Misfit((), f"must be {error}, not {describe(raw)}")]
    if kind is None or (value is None and variable.default is None):
        return value, []
    return kind.take(value)


def _misfit(
    findings: Findings, variable: Declared, misfit: Misfit, chosen: VariableSource | None, origin: str
) -> None:
    """Report what does not fit where it stands, as far as that is known; no word of a sensitive value."""
    path: Path = () if variable.sensitive else misfit.path
    in_key = misfit.summary.startswith("has no field")
    name = path_text((variable.name, *(path[:-1] if in_key else path)))
    # Why only here: to find where a value ends is to parse the file again
    if chosen is None:
        base = variable.node["default"]
        if path and isinstance(base, (Map, Seq)):
            span, snippet = variable.document.span_of(path, base, in_key)
        else:
            span, snippet = variable.document.locate(variable.default_at)
    else:
        where, snippet = chosen.span_of(variable.name)
        span = where or Span(origin)
    summary = f"the variable {name} {misfit.summary}"
    suggestion = misfit.suggestion
    if variable.sensitive and misfit.path:
        summary = f"a part of the variable {variable.name} does not fit its type (its value is not shown)"
        suggestion = f"Its type is {variable.type}."
    findings.add(Diagnostic(Severity.ERROR, summary, "", span, None, suggestion, snippet))


def _origin(source: VariableSource, name: str) -> str:
    return (
        source.name.replace("*", name)
        if "*" in source.name
        else f"{source.name} {name}"
        if source.name.startswith("--")
        else source.name
    )


def _undeclared(
    findings: Findings, declared: Mapping[str, Declared], source: VariableSource, name: str, advise: bool
) -> None:
    span, snippet = source.span_of(name)
    known = "The stack declares no variables." if not declared else ""
    if declared and advise:
        names = f"{listed(declared)}{', …' if len(declared) > 20 else ''}"
        known = did_you_mean(str(name), declared) or f"The stack declares: {names}."
    findings.add(
        Diagnostic(
            Severity.WARNING if source.lenient else Severity.ERROR,
            f"the stack has no variable {str(name)!r}",
            "",
            span or Span(_origin(source, str(name))),
            None,
            known,
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
    """Whether all rules of ``validate`` hold for a value; reported where not."""
    rule, at = variable.validate, variable.validate_at
    if type(rule) is not Seq:
        return _holds(world, variable, rule, at, value, origin)
    holds = [
        _holds(world, variable, one, mark, value, origin) for one, mark in zip(rule, rule.marks, strict=True)
    ]
    return all(holds)


def _holds(world: World, variable: Declared, rule: Any, at: int, value: Any, origin: str) -> bool:
    """Whether one rule holds for a value; reported where not."""
    scope = Scope(world, variable.document, value=(value,))
    message = ""
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
            detail=f"The value comes from: {'its default' if origin == 'default' else origin}.",
        )
    return holds
