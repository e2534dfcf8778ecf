"""``budget`` and ``limits``: how much a stack may cost, and how large it may become."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import describe
from flowplan.lang.document import Map
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Entry, Sections
from flowplan.lang.stack import Budget, Limits
from flowplan.values.quantity import Money

if TYPE_CHECKING:
    from flowplan.lang.world import World

_MONEY = ("max_hourly_usd", "max_committed_usd")
_COUNTS = ("max_resources", "max_instances", "max_gpus", "max_storage_gb", "max_destroys")
_MOST = 10**12


def read_budget(world: World, sections: Sections) -> Budget:
    """The ``budget`` section; mistakes are reported."""
    entry, scope, node = _section(world, sections, "budget", "{max_hourly_usd: 400}")
    if entry is None or scope is None or node is None:
        return Budget()
    found: dict[str, Decimal] = {}
    for key, item in node.items():
        if key not in _MONEY:
            unknown_key(scope, node, key, "budget", _MONEY)
            continue
        at = node.value_at(key)
        value = scope.shape(item, at, f"budget.{key}")
        if value is None:
            continue
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)) or len(str(value)) > 40:
                raise ValueError
            amount = Money.parse(str(value))
            if amount.cents < 0 or amount.cents > _MOST:
                raise ValueError
        except (ValueError, ArithmeticError):
            shown = repr(value)[:40] if isinstance(value, (str, int, float)) else describe(value)
            advice = "Write dollars, such as 400 or $1,200.50."
            scope.fail(at, f"budget.{key} must be an amount of money, not {shown}", advice)
            continue
        found[key] = Decimal(amount.cents) / 100
    return Budget(**found, span=entry.document.span(entry.at, entry.end))


def read_limits(world: World, sections: Sections) -> Limits:
    """The ``limits`` section; mistakes are reported."""
    entry, scope, node = _section(world, sections, "limits", "{max_instances: 32}")
    if entry is None or scope is None or node is None:
        return Limits()
    found: dict[str, int] = {}
    for key, item in node.items():
        if key not in _COUNTS:
            unknown_key(scope, node, key, "limits", _COUNTS)
            continue
        at = node.value_at(key)
        value: Any = scope.shape(item, at, f"limits.{key}", int)
        if value is None:
            continue
        if not 0 <= value <= _MOST:
            scope.fail(
                at, f"limits.{key} must be a whole number from 0, not {value}", "Leave it out for no limit."
            )
            continue
        found[key] = value
    return Limits(**found, span=entry.document.span(entry.at, entry.end))


def _section(
    world: World, sections: Sections, name: str, example: str
) -> tuple[Entry | None, Scope | None, Map | None]:
    for entry in sections.named(name)[:1]:
        scope = Scope(world, entry.document)
        if type(entry.node) is Map:
            return entry, scope, entry.node
        if entry.node is not None:
            what = f"{name} must be a mapping, not {describe(entry.node)}"
            scope.fail(entry.node_at, what, f"Write it as in {name}: {example}.")
    return None, None, None
