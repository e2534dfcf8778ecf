"""Values held against a declared type, though parts of them may be unknown or not to be shown.

What is not known yet is checked as far as its own type is certain, and in full when it becomes known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowplan.lang.answers import answered
from flowplan.lang.value_types import TYPES, Misfit, ValueType
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Lookup, Path, Sensitive, Unknown

Told = Callable[[Misfit], Diagnostic]
"""The diagnostic for something that does not fit."""
_KNOWN_AS = {
    "string": "string", "duration": "string", "timestamp": "string", "size": "number", "money": "number",
    "int": "number", "number": "number", "bool": "bool", "list": "list", "map": "map", "object": "map",
}  # fmt: skip
"""What an unknown value of a declared type will be."""
_MAY_BE = {
    "string": ("string", "duration", "timestamp", "size", "money"),
    "number": ("number", "int", "size", "money"),
    "bool": ("bool",),
    "list": ("list",),
    "map": ("map", "object"),
}
"""The declared types that a value may fit which will be of a type that is certain."""
_NAMES = {"string": "a text", "number": "a number", "bool": "true or false", "list": "a list", "map": "a map"}


def conform(kind: ValueType, value: Any, told: Told) -> tuple[Any, list[Misfit]]:
    """A value as a type has it, and what does not fit it already.

    Unknown parts are replaced by ones that fail with what ``told`` says of them if they turn out not to fit. Sensitive
    parts stay sensitive, and nothing of them is told.
    """

    def special(kind: ValueType, part: Any, path: Path, misfits: list[Misfit]) -> Any:
        if type(part) is Sensitive:
            taken, wrong = kind.take(part.reveal(), special)
            if wrong:
                misfits.append(_hidden(kind, path))
            return Sensitive(taken)
        if part.type and kind.word not in _MAY_BE.get(part.type, (kind.word,)):
            what = f"must be {_wanted(kind)}, not {_NAMES[part.type]} (known only after apply)"
            misfits.append(Misfit(path, what))
            return part
        return Unknown(
            part.references,
            part.source,
            evaluate=lambda lookup: later(kind, part, path, lookup),
            sensitive=part.sensitive,
            type=_KNOWN_AS[kind.word],
            needs=(part,),
        )

    def later(kind: ValueType, part: Unknown, path: Path, lookup: Lookup) -> Any:
        taken, wrong = kind.take(answered(part, lookup), special)
        if wrong:
            if part.sensitive:
                wrong = [_hidden(kind, ())]
            raise FlowplanError(
                *(told(Misfit((*path, *one.path), one.summary, one.suggestion)) for one in wrong)
            )
        return taken

    return kind.take(value, special)


def _hidden(kind: ValueType, path: Path) -> Misfit:
    return Misfit(path, f"does not fit its type, {kind} (its value is not shown)")


def _wanted(kind: ValueType) -> str:
    try:
        TYPES[kind.word](object())
    except ValueError as error:
        return str(error)
    raise AssertionError("no type takes just anything")
