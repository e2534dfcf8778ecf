"""Lookups: what ``data`` reads that the stack does not own (stack-language.md, decision 10).

Reading a stack stays pure: it says what is asked (`Stack.lookups`), and takes what came of it as an input. A lookup
that was not carried out is an unknown value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import descend, describe
from flowplan.lang.document import Map
from flowplan.lang.entries import NoResult, Query
from flowplan.lang.lazy import BROKEN, Lazy, failed
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Entry, listed
from flowplan.lang.words import ExpressionError
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.value import Fingerprint, Unknown, leaves

if TYPE_CHECKING:
    from flowplan.lang.world import World


@frozen
class LookupKind:
    """A kind of lookup: its arguments, those of which at least one is needed, and the attributes it gives.

    ``short`` is the argument that a bare text stands for, ``itself`` the attribute that the lookup itself stands for.
    """

    arguments: tuple[str, ...]
    needed: tuple[str, ...]
    short: str
    attributes: tuple[str, ...]
    itself: str = ""
    example: str = ""


_ID_OR_NAME = ("id", "name")
LOOKUPS: Mapping[str, LookupKind] = {
    "stack": LookupKind(("name",), ("name",), "name", ("outputs",), "", "{stack: network}"),
    "volume": LookupKind(
        (*_ID_OR_NAME, "region", "interface"), _ID_OR_NAME, "name",
        ("volume_id", "name", "size_gb", "interface", "region", "created_at"),
        "volume_id", "{volume: my-data}",
    ),
    "reservation": LookupKind(
        (*_ID_OR_NAME, "region", "status"), _ID_OR_NAME, "name",
        ("reservation_id", "name", "status", "instance_type", "quantity", "region", "start_time_utc", "end_time_utc"),
        "reservation_id", "{reservation: december}",
    ),
    "task": LookupKind(
        (*_ID_OR_NAME, "region", "status"), _ID_OR_NAME, "name",
        ("task_id", "name", "status", "instance_type", "num_instances", "limit_price", "region", "created_at"),
        "task_id", "{task: {id: bid_abc123}}",
    ),
    "ssh_key": LookupKind(
        _ID_OR_NAME, _ID_OR_NAME, "name", ("ssh_key_id", "name", "public_key"), "ssh_key_id", "{ssh_key: laptop}",
    ),
    "image_version": LookupKind(
        _ID_OR_NAME, _ID_OR_NAME, "name", ("image_version_id", "name"), "image_version_id", "{image_version: ubuntu}",
    ),
    "instance_type": LookupKind(
        ("name", "region"), ("name",), "name",
        ("name", "gpus", "gpu_memory_gb", "regions"), "name", "{instance_type: 8xh100}",
    ),
    "price": LookupKind(
        ("instance_type", "region"), ("instance_type",), "instance_type",
        ("price_per_hour", "instance_type", "region"), "price_per_hour", "{price: 8xh100}",
    ),
    "availability": LookupKind(
        ("instance_type", "region"), ("instance_type",), "instance_type",
        ("available", "instance_type", "region"), "available", "{availability: 8xh100}",
    ),
}  # fmt: skip
"""The kinds of lookups. What they read, and what their attributes mean, is in docs/language/lookups.md."""


class Data(Lazy):
    """One entry of ``data``: a lookup, and what came of it."""

    def __init__(self, world: World, entry: Entry) -> None:
        super().__init__(world, f"{world.prefix}data.{entry.name}", entry)
        self.name = entry.name
        self.query: Query | None = None
        self.kind = next((key for key in entry.node if key in LOOKUPS), "") if type(entry.node) is Map else ""

    def evaluate(self, scope: Scope) -> Any:
        """See `Lazy.evaluate`."""
        node, shared = self.node, self.world.shared
        kinds = ", ".join(LOOKUPS)
        if type(node) is not Map:
            what = f"a lookup is a mapping from its kind to what it asks for, not {describe(node)}"
            scope.fail(self.node_at, what, f"Write it as in {self.name}: {LOOKUPS['volume'].example}.")
            return BROKEN
        for key in node:
            if key not in LOOKUPS:
                near = did_you_mean(str(key), LOOKUPS)
                if not near and self.kind:
                    near = f"What else a lookup asks for stands below its kind: {self.kind}: {{{key}: …}}."
                near = near or f"The kinds are: {kinds}."
                scope.fail(node.key_at(key), f"there is no kind of lookup {key!r}", near)
            elif key != self.kind:
                what = f"the lookup {self.name} has two kinds: {self.kind} and {key}"
                scope.fail(node.key_at(key), what, "Make two lookups of it.")
        if not node:
            what = f"the lookup {self.name} asks for nothing"
            scope.fail(self.at, what, f"Write it as in {self.name}: {LOOKUPS['volume'].example}.")
        if scope.broken:
            return BROKEN
        arguments = self._arguments(scope, LOOKUPS[self.kind], node[self.kind], node.value_at(self.kind))
        if failed(scope) or arguments is None:
            return BROKEN if failed(scope) else shared.unanswered(self.label)
        span = self.document.span(self.at, self.end)
        query = self.query = Query(self.kind, tuple(sorted(arguments.items())), span)
        shared.asked.setdefault(query.key, query)
        result = shared.results.get(query.key)
        if result is None:
            return shared.unanswered(self.label)
        if isinstance(result, NoResult):
            scope.fail(node.value_at(self.kind), result.summary, result.suggestion)
            return BROKEN
        return dict(result)

    def _arguments(self, scope: Scope, kind: LookupKind, node: Any, at: int) -> dict[str, str] | None:
        """The arguments by name; None where one waits for another lookup. Mistakes are reported."""
        given = {kind.short: (node, at)}
        if type(node) is Map:
            given = {key: (value, node.value_at(key)) for key, value in node.items()}
        found: dict[str, str] = {}
        waits = False
        for name, (value, place) in given.items():
            if name not in kind.arguments:
                near = did_you_mean(str(name), kind.arguments) or f"It has: {', '.join(kind.arguments)}."
                what = f"a lookup of {self.kind} has no argument {name!r}"
                scope.fail(node.key_at(name), what, near)
                continue
            text = self._text(scope, value, place, f"{self.kind}.{name}" if type(node) is Map else self.kind)
            waits |= text is None
            if text:
                found[name] = text
        if not scope.broken and not waits and not any(name in found for name in kind.needed):
            what = f"a lookup of {self.kind} needs {' or '.join(kind.needed)}"
            scope.fail(at, what, f"Write it as in {self.name}: {kind.example}.")
        return None if waits else found

    def _text(self, scope: Scope, node: Any, at: int, what: str) -> str | None:
        """One argument; None where it waits for another lookup, "" after a report."""
        value = scope.tree(node, at)
        if scope.broken:
            return ""
        if scope.references:
            first = next(iter(scope.references))
            advice = "Use a variable or a local: lookups are carried out before the plan is made."
            scope.fail(at, f"a lookup cannot depend on {first.address}", advice)
            return ""
        if type(value) is Unknown and self.world.shared.waits_for_lookup(value):
            return None
        if not scope.settled(value, at, what):
            return ""
        if not isinstance(value, str) or not value:
            shown = describe(value) if value != "" else "an empty one"
            scope.fail(at, f"{what} must be a text, not {shown}", "Put it in quotes." if value != "" else "")
            return ""
        return value

    def part(self, parts: tuple[Any, ...], text: str) -> Any:
        """What a path below the lookup gives.

        Raises:
            ExpressionError: the kind has no such attribute, or the value may not be used.
            Silent: the lookup is broken, which is reported.
        """
        value = self.get()
        kind = LOOKUPS.get(self.kind)
        if kind is None:
            return value
        if not parts and not kind.itself:
            known = ", ".join(f"data.{self.name}.{name}" for name in kind.attributes)
            raise ExpressionError(f"data.{self.name} alone is no value", f"Write {known}.NAME.", text)
        name = parts[0] if parts else kind.itself
        if name not in kind.attributes:
            near = did_you_mean(str(name), kind.attributes) or f"It has: {', '.join(kind.attributes)}."
            raise ExpressionError(f"a lookup of {self.kind} gives no {name!r}", near, text)
        if type(value) is Unknown:
            return Unknown((), text)
        if self.kind == "stack" and len(parts) > 1:
            self._check_output(value, parts[1], text)
        found = descend(value.get(name), parts[1:], text)
        if any(isinstance(leaf, Fingerprint) for _, leaf in leaves(found)):
            hidden = ".".join(str(part) for part in parts[1:2])
            raise ExpressionError(
                f"the output {hidden} of stack {self._asked()} is sensitive, so its value is not recorded"
                if hidden
                else f"some outputs of stack {self._asked()} are sensitive, so their values are not recorded",
                "Give the value to this stack as a variable of its own.",
                text,
            )
        return found

    def _check_output(self, value: Mapping[str, Any], name: Any, text: str) -> None:
        outputs = value["outputs"]
        if name not in outputs:
            known = f"Its outputs are: {listed(outputs)}." if outputs else "It has none: is it applied?"
            near = did_you_mean(str(name), outputs) or known
            raise ExpressionError(f"stack {self._asked()} has no output {name!r}", near, text)

    def _asked(self) -> str:
        """The name of the stack that is asked for."""
        return (self.query.argument("name") if self.query is not None else None) or self.name
