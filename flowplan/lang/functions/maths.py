"""Functions of numbers."""

from __future__ import annotations

import math
from typing import Any

from flowplan.lang.functions.lists import _part
from flowplan.lang.functions.plain import bounded, identity, name_of, number_of, whole_of
from flowplan.lang.functions.registry import function
from flowplan.values.strict import show

_NUMBERS = "Numbers"
_DIGITS = 1200


@function(_NUMBERS, "abs(-3)", "3", name="abs")
def abs_(value: Any) -> int | float:
    """The number without its sign."""
    return abs(number_of(value))


@function(_NUMBERS, "ceil(2.1)", "3")
def ceil(value: Any) -> int:
    """The next whole number above."""
    return int(bounded(math.ceil(bounded(number_of(value)))))


@function(_NUMBERS, "floor(2.9)", "2")
def floor(value: Any) -> int:
    """The next whole number below."""
    return int(bounded(math.floor(bounded(number_of(value)))))


@function(_NUMBERS, "round(2.345, 2)", "2.35", name="round")
def round_(value: Any, precision: int = 0, method: str = "common") -> int | float:
    """The number with so many digits after the point; the method is common (half away from zero), ceil or floor."""
    number, precision = bounded(number_of(value)), whole_of(precision, -15, 15, "precision")
    if method not in ("common", "ceil", "floor"):
        raise ValueError("round takes the method common, ceil or floor")
    if isinstance(number, int) and precision >= 0:
        return number
    from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

    rounding = {"common": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}[method]
    exact = Decimal(str(number))
    # Why Decimal: 2.345 as a float is a little less, and people mean what they wrote
    rounded = exact.quantize(Decimal(1).scaleb(-precision), rounding, Context(prec=2000))
    return int(rounded) if isinstance(number, int) else float(rounded)


@function(_NUMBERS, "min([3, 1, 2])", "1", name="min")
def min_(*values: Any) -> Any:
    """The smallest of a list, or of the values given."""
    return min(_compared(values))


@function(_NUMBERS, "max(3, 1, 2)", "3", name="max")
def max_(*values: Any) -> Any:
    """The largest of a list, or of the values given."""
    return max(_compared(values))


@function(_NUMBERS, "sum([1, 2, 3])", "6", name="sum")
def sum_(values: Any, attribute: str | None = None, start: int | float = 0) -> int | float:
    """All the numbers of a list added up, or an attribute of its items."""
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"sum takes a list of numbers, and this is {name_of(values)}")
    return bounded(sum((number_of(_part(item, attribute)) for item in values), number_of(start)))


@function(_NUMBERS, "int('42')", "42", name="int")
def int_(value: Any, default: int | None = None, base: int = 10) -> int:
    """The whole number that a text spells, or a number without what follows its point; else the default."""
    base = whole_of(base, 2, 36, "base")
    try:
        if isinstance(value, str):
            text = value.strip()
            if len(text) > _DIGITS:
                raise ValueError
            return int(bounded(int(text, base)))
        return int(bounded(int(value)))
    except (TypeError, ValueError, OverflowError):
        if default is None:
            raise ValueError(f"{show(value)} is not a whole number") from None
        return default


@function(_NUMBERS, "float('2.5')", "2.5", name="float")
def float_(value: Any, default: float | None = None) -> float:
    """The number that a text spells; else the default."""
    try:
        if isinstance(value, str) and len(value) > _DIGITS:
            raise ValueError
        return float(bounded(float(value)))
    except (TypeError, ValueError, OverflowError):
        if default is None:
            raise ValueError(f"{show(value)} is not a number") from None
        return default


def _compared(values: tuple[Any, ...]) -> list[Any]:
    given = list(values[0]) if len(values) == 1 and isinstance(values[0], (list, tuple)) else list(values)
    if not given:
        raise ValueError("there is no smallest or largest of nothing")
    kinds = {identity(item)[0] for item in given}
    if kinds not in ({"number"}, {"str"}):
        raise TypeError("min and max take numbers, or texts")
    return given
