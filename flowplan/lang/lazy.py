"""Values with a name that are evaluated once, when they are first asked for: locals, inputs, lookups, outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flowplan.lang.document import Document
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.sections import Entry
from flowplan.lang.template import templates
from flowplan.values.value import Reference

if TYPE_CHECKING:
    from flowplan.lang.world import World

BROKEN: Any = object()
"""What `Lazy.evaluate` gives where something is wrong, after it has reported it."""


def failed(scope: Scope) -> bool:
    """Whether anything failed in a scope. (A call, since a type checker takes an attribute to stay as it was.)"""
    return scope.broken


class Lazy:
    """One named value. ``world`` is where its texts are evaluated, ``references`` what its value was made of."""

    def __init__(self, world: World, label: str, entry: Entry) -> None:
        self.world, self.label, self.entry = world, label, entry
        self.document: Document = entry.document
        self.at, self.end, self.node, self.node_at = entry.at, entry.end, entry.node, entry.node_at
        self.value: Any = BROKEN
        self.references: tuple[Reference, ...] = ()
        self.prepared = self.running = self.settled = False

    def evaluate(self, scope: Scope) -> Any:
        """The value, or `BROKEN` after a report; ``scope`` collects what it refers to."""
        return scope.tree(self.node, self.node_at)

    def scope(self) -> Scope:
        """Where it is evaluated."""
        return Scope(self.world, self.document)

    def get(self) -> Any:
        """Its value.

        Raises:
            Silent: it is broken, which is reported.
            ExpressionError: it is asked for while it is being evaluated.
        """
        if not self.settled:
            with self.world.evaluating(self):
                scope = self.scope()
                value = self.evaluate(scope)
                self.value = BROKEN if scope.broken else value
                self.references = tuple(scope.references)
                self.settled = True
        if self.value is BROKEN:
            raise Silent
        return self.value

    def give(self) -> Any:
        """Its value as others see it; raises as `get` does."""
        return self.get()

    def texts(self) -> Iterable[str]:
        """Every text with an expression in it."""
        return templates(self.node)


class Local(Lazy):
    """One entry of ``locals``."""

    def __init__(self, world: World, entry: Entry) -> None:
        super().__init__(world, f"{world.prefix}local.{entry.name}", entry)
