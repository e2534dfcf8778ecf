"""Outputs: what a stack gives its user, and a module its caller (stack-language.md, decision 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowplan.lang.conform import conform
from flowplan.lang.descent import describe, sensitive
from flowplan.lang.document import Map
from flowplan.lang.lazy import BROKEN, Lazy
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Entry
from flowplan.lang.stack import Output
from flowplan.lang.value_types import Misfit, ValueType, type_of
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.value import Sensitive, is_sensitive, path_text

if TYPE_CHECKING:
    from flowplan.lang.world import World

_FIELDS = ("value", "type", "fields", "description", "sensitive")


class OutputValue(Lazy):
    """One entry of ``outputs``."""

    def __init__(self, world: World, entry: Entry) -> None:
        super().__init__(world, f"{world.prefix}output.{entry.name}", entry)
        self.description = ""
        self.is_sensitive = False
        self.type: ValueType | None = None

    def evaluate(self, scope: Scope) -> Any:
        """See `Lazy.evaluate`."""
        node, name = self.node, self.entry.name
        how = f'Write {name}: {{value: "{{{{ … }}}}"}}.'
        if type(node) is not Map:
            what = f"the output {name} must be a mapping, not {describe(node)}"
            scope.fail(self.node_at, what, how)
            return BROKEN
        self.type, wrong = type_of(node)
        for error in wrong:
            scope.fail(self.document.offset_of(error.at, node), error.message, error.suggestion)
        value: Any = BROKEN
        for key, item in node.items():
            at = node.value_at(key)
            if key == "value":
                value = scope.tree(item, at)
            elif key == "sensitive":
                self.is_sensitive = bool(scope.shape(item, at, "sensitive", bool))
            elif key == "description":
                self.description = scope.shape(item, at, "description", str) or ""
            elif key not in _FIELDS:
                unknown_key(scope, node, key, "an output", _FIELDS)
        if scope.broken:
            return BROKEN
        if value is BROKEN:
            scope.fail(self.at, f"the output {name} has no value", how)
            return BROKEN
        at = node.value_at("value")
        if is_sensitive(value) and not self.is_sensitive:
            scope.fail(
                at, f"the output {name} is computed from a sensitive value",
                "Add sensitive: true to the output, or leave the sensitive part out.",
            )  # fmt: skip
            return BROKEN
        if self.type is not None:
            value, misfits = conform(self.type, value, self._told)
            for misfit in misfits:
                scope.broken = True
                scope.world.findings.add(self._told(misfit))
        return value

    def _told(self, misfit: Misfit) -> Diagnostic:
        """What is said of a value that does not fit the declared type."""
        hidden = self.is_sensitive
        where = ("value", *(() if hidden else misfit.path))
        what = path_text((self.entry.name, *where[1:]))
        span, snippet = self.document.locate(self.document.offset_of(where, self.node))
        return Diagnostic.error(
            f"the output {what} {misfit.summary}", span=span, snippet=snippet, suggestion=misfit.suggestion
        )

    def output(self) -> Output | None:
        """The finished output of a stack; None where it is broken, which is reported."""
        value = self.value
        if not self.settled or value is BROKEN:
            return None
        return Output(
            self.entry.name,
            value,
            self.description,
            self.is_sensitive,
            self.references,
            self.document.span(self.at, self.end),
            str(self.type) if self.type is not None else "",
        )

    def give(self) -> Any:
        """The value as a caller of the module sees it: sensitive where the output is.

        Raises:
            Silent: it is broken, which is reported.
        """
        value = self.get()
        return sensitive(value) if self.is_sensitive and not isinstance(value, Sensitive) else value
