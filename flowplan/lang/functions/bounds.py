"""The bounds of an evaluation: how much text, how many values, and how much work one may take, and a whole stack.

Work is counted, not timed, so that what is refused on one machine is refused on every other (and a plan is the
same everywhere). One step is about a value looked at, or a few dozen characters made.
"""

from __future__ import annotations

from typing import Any

MAX_TEXT = 4 * 1024 * 1024
"""The longest text an expression may make, in characters."""
MAX_ITEMS = 100_000
"""The most values an expression may hold, and the most steps its loops may take in one evaluation."""
MAX_BITS = 4096
"""The largest whole number, in bits."""
MAX_WORK = 3_000_000
"""The most steps that one evaluation may take (one or two seconds)."""
MAX_TOTAL_WORK = 500_000_000
"""The most steps that all evaluations of a stack may take together."""
COMPILED = 1_000
"""The steps that compiling a text counts as."""
PIECE = 32
"""How many characters count as one step."""


class TooLarge(ValueError):
    """An expression went over one of the bounds; the message says which."""


class Meter:
    """Counts the steps of one evaluation, or of a whole stack.

    ``above`` is the meter that the steps are handed on to, by `close`; ``told`` that it is known to be empty.
    """

    __slots__ = ("above", "left", "limit", "told")

    def __init__(self, limit: int = MAX_WORK, above: Meter | None = None) -> None:
        self.limit = self.left = limit
        self.above = above
        self.told = False

    def spend(self, steps: int) -> None:
        """Count ``steps``.

        Raises:
            TooLarge: they are more than are left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooLarge(f"it takes more than {self.limit:,} steps. Split it up, or compute it elsewhere.")

    def weigh(self, value: Any) -> None:
        """Count what it takes to look at a value as a whole.

        Raises:
            TooLarge: it is more than is left, or more than the bounds allow.
        """
        kind = type(value)
        if kind is str:
            if len(value) > MAX_TEXT:
                raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
            self.spend(1 + len(value) // PIECE)
        elif kind is list or kind is dict or kind is tuple:
            self.spend(2 + size_of(value, PIECE))
        else:
            self.spend(1)

    @property
    def used(self) -> int:
        """The steps counted so far."""
        return self.limit - self.left

    def close(self) -> bool:
        """Hand the steps on to the meter above; whether that one has any left."""
        if self.above is None:
            return True
        self.above.left -= self.used
        self.limit = self.left
        return self.above.left >= 0


def size_of(value: Any, characters_each: int = 1) -> int:
    """The number of characters (by ``characters_each``) and values in ``value``.

    Raises:
        TooLarge: there are more than the bounds allow; counting stops there.
    """
    characters = items = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        items += 1
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        if characters > MAX_TEXT:
            raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
        if items + len(waiting) > 2 * MAX_ITEMS:
            raise TooLarge(f"it makes more than {MAX_ITEMS:,} values")
    return characters // characters_each + items


def fits(characters: int) -> None:
    """Refuse to make a text of so many characters, where that is too many.

    Raises:
        TooLarge: it is.
    """
    if characters > MAX_TEXT:
        raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")


def holds(items: int) -> None:
    """Refuse to make so many values, where that is too many.

    Raises:
        TooLarge: it is.
    """
    if items > MAX_ITEMS:
        raise TooLarge(f"it makes more than {MAX_ITEMS:,} values")
