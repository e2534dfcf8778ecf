"""The filters and tests of the language: every function of the register, and Jinja's own for lists, all counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.tests import TESTS

from flowplan.lang.functions import amounts, encodings, lists, maps, maths, regexes, strings, times
from flowplan.lang.functions.registry import REGISTER, meter_of, metered, metered_with_context

TOPICS = (strings, regexes, lists, maps, maths, times, amounts, encodings)
"""The modules that hold functions, in the order of the documentation."""
FROM_JINJA = {
    "map": "What a filter, or an attribute, gives for each item: `map('upper')`, `map(attribute='name')`.",
    "select": "The items that pass a test: `select('odd')`; without one, those that are not empty.",
    "reject": "The items that do not pass a test.",
    "selectattr": "The items whose attribute passes a test: `selectattr('size', 'gt', 10)`.",
    "rejectattr": "The items whose attribute does not pass a test.",
}
"""The filters that are Jinja's own, which cannot be called as functions, with what they do."""
_BUILT_IN: dict[str, Callable[..., Any]] = dict(FILTERS)

FILTERS_ALLOWED: dict[str, Callable[..., Any]] = {
    **{name: metered(one) for name, one in REGISTER.items()},
    **{name: metered_with_context(_BUILT_IN[name]) for name in FROM_JINJA},
}
"""The filters of the language by name."""


def _counted(test: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    def counted(context: Context, *args: Any) -> Any:
        meter = meter_of(context)
        for value in args:
            if not isinstance(value, Undefined):
                meter.weigh(value)
        return test(*args)

    return counted


TESTS_ALLOWED: dict[str, Callable[..., Any]] = {
    str(name): _counted(test)  # type: ignore[arg-type]
    for name, test in TESTS.items()
    if name not in ("callable", "filter", "test", "escaped", "sameas", "iterable", "sequence")
}
"""The tests of the language by name."""
