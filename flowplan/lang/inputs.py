"""Inputs: the variables of a module, with the values that its caller gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flowplan.lang.answers import answered
from flowplan.lang.conform import conform
from flowplan.lang.descent import describe, sensitive
from flowplan.lang.document import Map, Seq
from flowplan.lang.lazy import BROKEN, Lazy, failed
from flowplan.lang.scope import Scope
from flowplan.lang.secret_source import fetch
from flowplan.lang.sections import Entry
from flowplan.lang.template import is_template, templates
from flowplan.lang.value_types import Misfit, plain, read_text
from flowplan.lang.variables import Declared, declare
from flowplan.values.diagnostic import Diagnostic, FlowplanError, Severity
from flowplan.values.value import (
    Lookup,
    NotYetKnown,
    Sensitive,
    Unknown,
    leaves,
    path_text,
    reveal,
    transform,
)

if TYPE_CHECKING:
    from flowplan.lang.modules import ModuleCall
    from flowplan.lang.world import World


class Input(Lazy):
    """One variable of an instance of a module. Its value is evaluated where the module is called."""

    def __init__(
        self, inner: World, entry: Entry, call: ModuleCall, given: Map, each: tuple[str, Any] | None
    ) -> None:
        super().__init__(call.world, f"{inner.prefix}var.{entry.name}", entry)
        self.inner, self.call, self.given, self.each = inner, call, given, each
        self.name = entry.name
        self._pending: list[tuple[Unknown, Diagnostic]] = []  # rules that wait for what is unknown
        self.declared: Declared = declare(
            inner, entry.name, entry.document, entry.at, entry.node, entry.node_at
        )

    def scope(self) -> Scope:
        """See `Lazy.scope`: the caller's."""
        return Scope(self.world, self.call.document, each=self.each)

    def texts(self) -> Iterable[str]:
        """See `Lazy.texts`: those of the value that the caller gives."""
        return templates(self.given[self.name]) if self.name in self.given else ()

    def evaluate(self, scope: Scope) -> Any:
        """See `Lazy.evaluate`."""
        declared = self.declared
        if not declared.ok:
            return BROKEN
        if self.name not in self.given and declared.secret:
            return self._from_secret(scope)
        if self.name not in self.given:
            if type(declared.node) is not Map or "default" not in declared.node:
                return BROKEN  # the call is reported
            value: Any = declared.default
            if declared.type is not None and value is not None:
                value, wrong = declared.type.take(value)
                for one in wrong:
                    inner = Scope(self.inner, declared.document)
                    place = declared.document.offset_of(("default", *one.path), declared.node)
                    inner.fail(place, f"the variable {self.name} {one.summary}", one.suggestion)
                    scope.broken = True
            return sensitive(value) if declared.sensitive else value
        at = self.given.value_at(self.name)
        if declared.sensitive:
            self.call.document.hide(at, self.given[self.name])
            written = plain(self.given[self.name])
            self.world.findings.keep_secret([one for _, one in leaves(written) if not is_template(str(one))])
        value = scope.tree(self.given[self.name], at)
        if scope.broken:
            return BROKEN
        if declared.deprecated:
            self.world.findings.at(
                self.call.document, at, f"the variable {self.name} of module {self.call.name} is deprecated",
                declared.deprecated, severity=Severity.WARNING,
            )  # fmt: skip
        if declared.sensitive:
            self.world.findings.keep_secret(value)
        if declared.type is not None and not (value is None and declared.default is None):
            value, misfits = conform(declared.type, value, self._told)
            for misfit in misfits:
                scope.broken = True
                self.world.findings.add(self._told(misfit))
        if failed(scope) or not self._holds(scope, value, at):
            return BROKEN
        value = self._guarded(value) if self._pending else value
        return sensitive(value) if declared.sensitive else value

    def _from_secret(self, scope: Scope) -> Any:
        """The value of a variable that names its secret, where the caller gives none."""
        declared, inner = self.declared, Scope(self.inner, self.declared.document)
        raw = fetch(inner, declared, self.world.shared.secrets)
        if raw is None or type(raw) is Unknown:
            return BROKEN if raw is None else raw
        try:
            value = read_text(declared.type.word if declared.type is not None else None, raw)
        except ValueError as error:
            scope.fail(self.call.at, f"the variable {self.name} of module {self.call.name} must be {error}")
            return BROKEN
        value, wrong = declared.type.take(value) if declared.type is not None else (value, [])
        for one in wrong:
            scope.fail(self.call.at, f"the variable {self.name} of module {self.call.name} {one.summary}")
        if failed(scope) or not self._holds(scope, value, self.call.at):
            return BROKEN
        return sensitive(value)

    def _told(self, misfit: Misfit) -> Diagnostic:
        """What is said of a value that does not fit the declared type."""
        hidden = self.declared.sensitive
        path = () if hidden else misfit.path
        place = self.call.document.offset_of((self.name, *path), self.given)
        name = path_text((self.name, *path))
        summary = f"the variable {name} of module {self.call.name} {misfit.summary}"
        if hidden and misfit.path:
            summary = f"a part of the variable {name} of module {self.call.name} does not fit its type"
            return self._at(
                place, f"{summary} (its value is not shown)", f"Its type is {self.declared.type}."
            )
        return self._at(place, summary, misfit.suggestion)

    def _at(self, place: int, summary: str, suggestion: str) -> Diagnostic:
        span, snippet = self.call.document.locate(place)
        return Diagnostic.error(summary, span=span, snippet=snippet, suggestion=suggestion)

    def _holds(self, scope: Scope, value: Any, at: int) -> bool:
        """Whether ``validate`` holds for a value as far as it is known; reported at the value where not."""
        rules = self.declared.validate
        place = self.declared.validate_at
        if rules is None:
            return True
        pairs = zip(rules, rules.marks, strict=True) if type(rules) is Seq else [(rules, place)]
        held = [self._holds_one(scope, rule, mark, value, at) for rule, mark in pairs]
        return all(held)

    def _guarded(self, value: Any) -> Any:
        """A value whose unknown parts, when they become known, are given only where ``validate`` holds."""
        pending = tuple(self._pending)

        def check(part: Unknown, lookup: Lookup) -> Any:
            for holds, refused in pending:
                try:
                    held = answered(holds, lookup)
                except NotYetKnown:
                    continue  # another part of the value, and the part that is asked for may have to come first
                if reveal(held) is not True:
                    raise FlowplanError(refused)
            return answered(part, lookup)

        def guard(leaf: Any) -> Any:
            if type(leaf) is Sensitive:
                return Sensitive(transform(leaf.reveal(), guard))
            if type(leaf) is not Unknown:
                return leaf
            return Unknown(
                leaf.references,
                leaf.source,
                evaluate=lambda lookup: check(leaf, lookup),
                sensitive=leaf.sensitive,
                type=leaf.type,
                needs=(leaf, *(holds for holds, _ in pending)),
            )

        return transform(value, guard)

    def _holds_one(self, scope: Scope, rule: Any, mark: int, value: Any, at: int) -> bool:
        inner = Scope(self.inner, self.declared.document, value=(value,))
        message = ""
        if type(rule) is Map:
            message = str(rule.get("message") or "")
            mark = rule.value_at("assert") if "assert" in rule else mark
            rule = rule.get("assert")
        if not isinstance(rule, str) or not is_template(rule):
            inner.fail(
                mark, "validate takes an expression over value",
                'Write it as validate: "{{ 1 <= value <= 64 }}".',
            )  # fmt: skip
            return False
        holds = inner.text(rule, mark)
        if inner.broken:
            return False
        what = f"of the variable {self.name} of module {self.call.name} is not valid"
        advice = message or f"It must satisfy {rule.strip()}."
        if type(holds) is Unknown:
            self._pending.append((holds, self._at(at, f"the value {what}", advice)))
            return True
        holds = holds.reveal() if type(holds) is Sensitive else holds
        if not isinstance(holds, bool):
            inner.fail(mark, f"validate must give true or false, and gives {describe(holds)}")
            return False
        if not holds:
            hidden = self.declared.sensitive or not isinstance(value, (str, int, float))
            shown = "" if hidden else f" {value!r}"[:200]
            scope.fail(at, f"the value{shown} {what}", advice)
        return holds
