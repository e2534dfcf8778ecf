"""What an expression may call: functions that are filters too, tests, methods and arithmetic, all pure and bounded.

Nothing here sees a clock, an environment, a network or chance; every result has a bounded size and every step is
counted, so no stack file can make a plan run away (libraries.md, section 4). Each function is written once, with what
it does and an example, in the module of its topic; ``reference`` makes the page of the documentation from that.

The limits are there at once. The rest is imported when it is first asked for: Jinja and a hundred functions, which most
stacks, whose expressions are plain paths, do without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flowplan.lang.functions.bounds import (
    MAX_BITS,
    MAX_ITEMS,
    MAX_TEXT,
    MAX_TOTAL_WORK,
    MAX_WORK,
    Meter,
    TooLarge,
    size_of,
)

if TYPE_CHECKING:
    from flowplan.lang.functions.filters import FILTERS_ALLOWED, TESTS_ALLOWED
    from flowplan.lang.functions.plain import (
        METHOD_NAMES,
        Method,
        as_text,
        attribute_of,
        calculate,
        is_missing,
        item_of,
        key_of,
        name_of,
    )
    from flowplan.lang.functions.registry import METER, REGISTER, Function, meter_of

__all__ = [
    "FILTERS_ALLOWED",
    "MAX_BITS",
    "MAX_ITEMS",
    "MAX_TEXT",
    "MAX_TOTAL_WORK",
    "MAX_WORK",
    "METER",
    "METHOD_NAMES",
    "REGISTER",
    "TESTS_ALLOWED",
    "Function",
    "Meter",
    "Method",
    "TooLarge",
    "as_text",
    "attribute_of",
    "calculate",
    "is_missing",
    "item_of",
    "key_of",
    "meter_of",
    "name_of",
    "size_of",
]
_LATER = {
    **dict.fromkeys(("FILTERS_ALLOWED", "TESTS_ALLOWED"), "filters"),
    **dict.fromkeys(
        (
            "METHOD_NAMES",
            "Method",
            "as_text",
            "attribute_of",
            "calculate",
            "is_missing",
            "item_of",
            "key_of",
            "name_of",
        ),
        "plain",
    ),
    **dict.fromkeys(("METER", "REGISTER", "Function", "meter_of"), "registry"),
}
"""Name -> the module here that has it."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(
        "flowplan.lang.functions.filters"
    )  # Why: it imports each topic, so that all of them register
    return getattr(import_module(f"flowplan.lang.functions.{_LATER[name]}"), name)
