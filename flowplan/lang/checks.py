"""``require`` and ``checks``: what must hold of a resource, and of a finished plan.

A ``require`` is decided when the stack is read, if all it uses is known then; else when the plan is made, and at the
latest right before its resource is created or changed. A row of ``checks`` is decided when a plan is made: one that
cannot be is no better than one that does not hold.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang.answers import answered
from flowplan.lang.descent import descend, describe
from flowplan.lang.document import Document, Map, Seq
from flowplan.lang.entries import Check, Requirement
from flowplan.lang.rules import Rule, RuleScope, read_rule
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Sections
from flowplan.lang.stack import Stack
from flowplan.lang.template import is_template, program_of
from flowplan.lang.words import ExpressionError, Slot
from flowplan.values.diagnostic import Diagnostic, Diagnostics, FlowplanError, Severity, did_you_mean
from flowplan.values.value import Lookup, NotYetKnown, Sensitive, Unknown

if TYPE_CHECKING:
    from flowplan.lang.declaration import Instance
    from flowplan.lang.world import World

SUMMARY: tuple[str, ...] = ("create", "update", "replace", "destroy", "forget", "unchanged")
"""The numbers in ``plan.summary``."""
PLAN: tuple[str, ...] = ("mode", "summary", "changes", "hourly_usd", "committed_usd")
"""What ``plan`` gives to checks; docs/language/checks.md says what each is."""
CHANGE: tuple[str, ...] = (
    "address",
    "kind",
    "name",
    "key",
    "module",
    "action",
    "reasons",
    "attributes",
    "loses",
)
"""What ``plan.changes["ADDRESS"]`` gives."""
SEVERITIES: Mapping[str, Severity] = {"block": Severity.ERROR, "warn": Severity.WARNING}
"""What a row of ``checks`` does where it does not hold."""


# -- require ---------------------------------------------------------------------------------------------


def requirements(
    instance: Instance, scope: Scope, body: Map, config: Mapping[str, Any]
) -> tuple[Requirement, ...]:
    """The rows of ``require`` that cannot be decided yet; those that do not hold are reported in ``scope``."""
    world, document, node = scope.world, scope.document, body["require"]
    if node is None:
        return ()
    if type(node) is Map:
        rows: Any = [(node, body.value_at("require"))]
    elif type(node) is Seq:
        rows = zip(node, node.marks, strict=True)
    else:
        scope.fail(
            body.value_at("require"),
            f"require must be a list of rules, not {describe(node)}",
            'Write it as in require: [{assert: "{{ … }}", message: …}].',
        )
        return ()

    def itself(parts: tuple[Any, ...], text: str) -> Any:
        return _own(world, instance, config, parts, text)

    def rule_scope() -> RuleScope:
        return RuleScope(world, document, "self", itself, scope.address, instance.each)

    found: list[Requirement] = []
    for row, at in rows:
        own = rule_scope()
        rule = read_rule(own, row, at, "require", ("assert", "message"))
        held = rule.value(own) if rule is not None else None
        scope.broken |= own.broken
        scope.references.update(own.references)
        if rule is None or held is None or held is True:
            continue
        if type(held) is Unknown:
            found.append(_pending(world, rule, held, rule_scope()))
            continue
        words = rule.words(rule_scope(), "")
        summary = f"{scope.address} does not meet its require"
        scope.fail(
            rule.at,
            f"{summary}: {words.rstrip('.')}" if words else summary,
            f"It must hold that {_inner(rule)}.",
        )
    return tuple(found)


def _own(
    world: World, instance: Instance, config: Mapping[str, Any], parts: tuple[Any, ...], text: str
) -> Any:
    kind = world.kinds[instance.address.kind]
    if not parts:
        raise ExpressionError("self alone is no value", "Write self.FIELD.", text)
    name = parts[0]
    attribute = kind.attributes.get(name) if isinstance(name, str) else None
    if attribute is None:
        near = did_you_mean(str(name), kind.configurable) or f"It has: {', '.join(kind.configurable)}."
        raise ExpressionError(f"self has no field {name!r}", near, text)
    if attribute.computed:
        raise ExpressionError(
            f"{name} is known only when {instance.address} exists, and require is decided before",
            "Use what the resource is configured with.",
            text,
        )
    return descend(config.get(name), parts[1:], text)


def _pending(world: World, rule: Rule, held: Unknown, scope: RuleScope) -> Requirement:
    span, snippet = rule.document.locate(rule.at)
    address = scope.address
    lines = rule.words(_apart(scope), "")

    def refuse(what: str, detail: str = "") -> Diagnostic:
        suggestion = f"It must hold that {_inner(rule)}."
        return Diagnostic.error(
            what, detail, span=span, snippet=snippet, address=address, suggestion=suggestion
        )

    def check(lookup: Lookup, last: bool = False) -> Diagnostic | None:
        try:
            value = answered(held, lookup)
        except NotYetKnown:
            waits = ", ".join(str(reference) for reference in held.references)
            what = f"{address} has a require that cannot be decided"
            return refuse(what, f"It waits for {waits}.") if last else None
        except FlowplanError as error:
            return refuse(f"{address} has a require that cannot be decided", f"{error}.")
        value = value.reveal() if type(value) is Sensitive else value
        if value is True:
            return None
        if value is not False:
            return refuse(f"a require of {address} gives {describe(value)}, not true or false")
        summary = f"{address} does not meet its require"
        return refuse(f"{summary}: {lines.rstrip('.')}" if lines else summary)

    return Requirement(held.references, rule.source, check)


def unmet(checked: tuple[Requirement, ...], lookup: Lookup, last: bool = False) -> list[Diagnostic]:
    """What is wrong with the requirements of a resource, now that ``lookup`` knows more.

    ``last``: the resource is about to be created or changed, so that what cannot be decided does not hold.
    """
    return [found for one in checked if (found := one.check(lookup, last)) is not None]


def _inner(rule: Rule) -> str:
    """An assertion as it is told: without its braces."""
    return rule.source.strip().removeprefix("{{").removesuffix("}}").strip()


def _apart(scope: RuleScope) -> RuleScope:
    """The same scope, with its mistakes collected apart."""
    other = copy.copy(scope)
    other.world = copy.copy(scope.world)
    other.world.findings = scope.world.findings.apart()
    return other


# -- checks ----------------------------------------------------------------------------------------------


def read_checks(world: World, sections: Sections) -> tuple[Check, ...]:
    """The rows of ``checks``; mistakes are reported."""
    found = []
    for entry in sections.rows("checks"):
        scope = _plan_scope(world, entry.document, {})
        rule = read_rule(scope, entry.node, entry.at, "checks", ("assert", "message", "severity"))
        severity = Severity.ERROR
        if type(entry.node) is Map and "severity" in entry.node:
            at = entry.node.value_at("severity")
            word = scope.shape(entry.node["severity"], at, "severity", str)
            if word is not None and word not in SEVERITIES:
                near = did_you_mean(word, SEVERITIES) or "Write block or warn."
                scope.fail(at, f"there is no severity {word!r}", near)
            severity = SEVERITIES.get(word or "", severity)
        if rule is None or scope.broken:
            continue
        _check_paths(scope, rule)
        if not scope.broken:
            found.append(_check(world, rule, severity))
    return tuple(found)


def _plan_scope(world: World, document: Document, view: Mapping[str, Any]) -> RuleScope:
    def plan(parts: tuple[Any, ...], text: str) -> Any:
        if not parts:
            raise ExpressionError("plan alone is no value", f"It has: {', '.join(PLAN)}.", text)
        return descend(dict(view), parts, text)

    return RuleScope(world, document, "plan", plan)


def _check_paths(scope: RuleScope, rule: Rule) -> None:
    """Report what a plan does not have; there is none yet to find it out by evaluating."""
    for text, at in ((rule.source, rule.at), (rule.message, rule.message_at)):
        if not isinstance(text, str) or not is_template(text):
            continue
        for path in program_of(text).paths:
            parts = path.parts
            if path.root != "plan" or (parts and type(parts[0]) is Slot):
                continue
            known, what, name = PLAN, "plan", parts[0] if parts else ""
            if name == "summary" and len(parts) > 1 and type(parts[1]) is not Slot:
                known, what, name = SUMMARY, "plan.summary", parts[1]
            elif name == "changes" and len(parts) > 2 and type(parts[2]) is not Slot:
                known, what, name = CHANGE, "a change", parts[2]
            if name not in known:
                near = did_you_mean(str(name), known) or f"It has: {', '.join(known)}."
                scope.tell(ExpressionError(f"{what} has no {name!r}", near, path.text), at)


def _check(world: World, rule: Rule, severity: Severity) -> Check:
    span, snippet = rule.document.locate(rule.at)

    def say(summary: str, detail: str = "", suggestion: str = "") -> Diagnostic:
        return Diagnostic(severity, summary, detail, span, None, suggestion, snippet)

    def judge(view: Mapping[str, Any]) -> Diagnostic | None:
        scope = _apart(_plan_scope(world, rule.document, view))
        held = rule.value(scope)
        if held is True:
            return None
        if held is None:
            # Why an error: what cannot be evaluated protects no one, whatever it was meant to do
            return next(
                iter(scope.world.findings.finish([])),
                Diagnostic.error("a check cannot be evaluated", span=span, snippet=snippet),
            )
        if type(held) is Unknown:
            waits = ", ".join(str(reference) for reference in held.references)
            return say(
                "a check cannot be decided when the plan is made",
                f"It waits for {waits}." if waits else "It depends on what is known only after apply.",
                "Use what is known when planning; a resource's require is decided again before it is made.",
            )
        words = rule.words(scope, "").rstrip(".")
        return say(
            f"a check does not hold: {words}" if words else "a check does not hold",
            suggestion=f"It must hold that {_inner(rule)}.",
        )

    return Check(rule.source, severity, judge, span)


def evaluate_checks(stack: Stack, plan_view: Mapping[str, Any]) -> Diagnostics:
    """What the rows of ``checks`` say of a plan: an error for each that blocks, a warning for each that warns.

    ``plan_view`` is what `PLAN` names (see `flowplan.plan.view`).
    """
    found = Diagnostics()
    for one in stack.checks:
        wrong = one.judge(plan_view)
        if wrong is not None:
            found.add(wrong)
    return found
