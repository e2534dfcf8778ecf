"""Words of the expression language: its roots and functions, paths, and the error every part of it raises."""

from __future__ import annotations

from attrs import field

from flowplan.values.address import Kind
from flowplan.values.classes import frozen

ROOTS = frozenset(
    ("var", "local", "each", "value", "data", "module", "self", "plan", *(kind.value for kind in Kind))
)
"""The names that an expression may start from."""
FUNCTIONS = ("file", "template_file", "glob", "range")
"""The functions whose names cannot be used for anything else: those of the stack's files, and ``range``."""
FUNCTIONS_TOLD = (
    "The page docs/language/functions.md lists what there is; nothing reads a clock, chance or the network."
)
"""What to say where a function is asked for that there is not."""


class ExpressionError(Exception):
    """An expression is wrong. ``needle`` is the part of its text to point at, where that is known.

    ``times`` is how often that part stands in the text before the place that is meant. ``more`` are further mistakes
    in the same expression.
    """

    more: tuple[ExpressionError, ...] = ()
    times = 0

    def __init__(self, message: str, suggestion: str = "", needle: str = "") -> None:
        super().__init__(message)
        if not suggestion:
            # Why: what Jinja raises for something undefined has room for one text only
            message, _, suggestion = message.partition(". ")
        self.message, self.suggestion, self.needle = message, suggestion, needle


@frozen
class Slot:
    """Stands in a path for a subscript that only evaluation knows; ``number`` is its place among them."""

    number: int


@frozen(cache_hash=True)
class PathExpr:
    """A use of something in scope: ``root.part.part``. ``text`` is how a person writes it."""

    root: str
    parts: tuple[str | int | Slot, ...]
    text: str = field(eq=False)

    @property
    def is_dynamic(self) -> bool:
        """Whether a subscript is known only when evaluated."""
        return any(type(part) is Slot for part in self.parts)
