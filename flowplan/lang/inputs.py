"""Inputs: the variables of a module, with the values that its caller gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import describe, sensitive
from flowplan.lang.document import Map, Seq
from flowplan.lang.lazy import BROKEN, Lazy, failed
from flowplan.lang.outputs import conform
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Entry
from flowplan.lang.template import is_template, templates
from flowplan.lang.variables import Declared, declare
from flowplan.values.diagnostic import Severity
from flowplan.values.value import Sensitive, Unknown

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
        if self.name not in self.given:
            if type(declared.node) is not Map or "default" not in declared.node:
                return BROKEN  # the call is reported
            value: Any = declared.default
            if declared.type is not None and value is not None:
                value, misfits = conform(declared.type, value)
                for where, summary, suggestion in misfits:
                    inner = Scope(self.inner, declared.document)
                    place = declared.document.offset_of(("default", *where), declared.node)
                    inner.fail(place, f"the variable {self.name} {summary}", suggestion)
                    scope.broken = True
            return sensitive(value) if declared.sensitive else value
        at = self.given.value_at(self.name)
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
            value, misfits = conform(declared.type, value)
            for where, summary, suggestion in misfits:
                path = () if declared.sensitive else where
                place = self.call.document.offset_of((self.name, *path), self.given)
                scope.fail(
                    place, f"the variable {self.name} of module {self.call.name} {summary}", suggestion
                )
        if failed(scope) or not self._holds(scope, value, at):
            return BROKEN
        return sensitive(value) if declared.sensitive else value

    def _holds(self, scope: Scope, value: Any, at: int) -> bool:
        """Whether ``validate`` holds for a value that is known; reported at the value where not."""
        rules = self.declared.validate
        place = self.declared.validate_at
        if rules is None:
            return True
        pairs = zip(rules, rules.marks, strict=True) if type(rules) is Seq else [(rules, place)]
        held = [self._holds_one(scope, rule, mark, value, at) for rule, mark in pairs]
        return all(held)

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
        if type(holds) is Unknown:
            return True
        holds = holds.reveal() if type(holds) is Sensitive else holds
        if not isinstance(holds, bool):
            inner.fail(mark, f"validate must give true or false, and gives {describe(holds)}")
            return False
        if not holds:
            hidden = self.declared.sensitive or not isinstance(value, (str, int, float))
            shown = "" if hidden else f" {value!r}"[:200]
            what = f"the value{shown} of the variable {self.name} of module {self.call.name} is not valid"
            scope.fail(at, what, message or f"It must satisfy {rule.strip()}.")
        return holds
