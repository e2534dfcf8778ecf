"""Functions of sizes and of money."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from flowplan.lang.functions.plain import bounded, name_of, number_of, text_of
from flowplan.lang.functions.registry import function
from flowplan.values.quantity import Money

_AMOUNTS = "Sizes and money"
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([KMGTP]?i?B?|[KMGTP])", re.IGNORECASE)
_POWERS = "KMGTP"


@function(_AMOUNTS, "size('2TB')", "2000")
def size(text: Any, unit: str = "GB") -> int | float:
    """A size such as 500GB, 1.5TB or 512MiB in a unit: B, KB … PB, or KiB … PiB. A number alone is in GB."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = f"{number_of(text):f}GB" if isinstance(text, float) else f"{text}GB"
    exact = bytes_of(text_of(text)) / _bytes_in(text_of(unit))
    return int(exact) if exact == int(exact) else float(exact)


@function(_AMOUNTS, "size_text(2000)", '"2TB"')
def size_text(gigabytes: Any) -> str:
    """So many gigabytes with the largest unit that leaves a whole number."""
    number = Decimal(str(bounded(number_of(gigabytes)))) * 10**9
    if number < 0:
        raise ValueError("a size is not negative")
    for power in range(5, 0, -1):
        if number and number % 1000**power == 0:
            return f"{int(number // 1000**power)}{_POWERS[power - 1]}B"
    return f"{int(number)}B"


@function(_AMOUNTS, "money('$1,234.5')", "1234.5")
def money(text: Any) -> float:
    """An amount such as $12.34 in dollars, rounded to the cent."""
    return _money(text).dollars


@function(_AMOUNTS, "money_text(1234.5)", '"$1,234.50"')
def money_text(dollars: Any) -> str:
    """So many dollars as people write them."""
    return str(_money(dollars))


def bytes_of(text: str) -> Decimal:
    """The bytes that a size spells; without a unit it is gigabytes.

    Raises:
        ValueError: it spells no size.
    """
    match = _SIZE.fullmatch(text.strip()) if len(text) < 100 else None
    if match is None:
        raise ValueError("this is not a size. Write one as 500GB or 2TB.")
    return Decimal(match[1]) * _bytes_in(match[2] or "GB")


def _bytes_in(unit: str) -> int:
    letter = unit[:1].upper()
    rest = unit[1:].upper()
    if unit.upper() == "B":
        return 1
    if letter not in _POWERS or not letter or rest not in ("", "B", "IB", "I"):
        raise ValueError(
            f"there is no unit {unit[:20]!r}; the units are B, KB, MB, GB, TB, PB and KiB to PiB"
        )
    return int((1024 if rest.startswith("I") else 1000) ** (_POWERS.index(letter) + 1))


def _money(value: Any) -> Money:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"an amount of money is needed here, and this is {name_of(value)}")
    if isinstance(value, str):
        if len(value) > 100:
            raise ValueError("this is not an amount of money. Write one as $12.34.")
        try:
            return Money.parse(value)
        except ValueError:
            raise ValueError("this is not an amount of money. Write one as $12.34.") from None
    if abs(bounded(value)) > 10**15:
        raise ValueError("this is too much money")
    return Money.of_dollars(value)
