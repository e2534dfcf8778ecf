"""The sandboxed Jinja environment: no globals, no attributes of Python objects, nothing unbounded."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jinja2
from jinja2.runtime import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowplan.lang.functions import (
    FILTERS_ALLOWED,
    TESTS_ALLOWED,
    as_text,
    attribute_of,
    calculate,
    is_missing,
    item_of,
)
from flowplan.values.diagnostic import did_you_mean


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja without globals, attributes of Python objects, or anything unbounded.

    Comments are off: a shell's ``${#array}`` must stay what it is.
    """

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            finalize=as_text,
            comment_start_string="{\x00#",
            comment_end_string="#\x00}",
            cache_size=0,
        )
        self.filters = dict(FILTERS_ALLOWED)
        self.tests = dict(TESTS_ALLOWED)
        self.globals = {}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        return calculate(operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        found = attribute_of(obj, attribute)
        return self._missing(obj, attribute) if is_missing(found) else found

    def getitem(self, obj: Any, argument: Any) -> Any:
        found = item_of(obj, argument)
        return self._missing(obj, argument) if is_missing(found) else found

    def _missing(self, obj: Any, name: Any) -> Any:
        if isinstance(obj, jinja2.Undefined):
            str(obj)
        return self.undefined(_no_such(obj, name))

    def is_safe_callable(self, obj: Any) -> bool:
        return True  # only names that the checks let through, and methods of attribute_of, are ever called


def _no_such(value: Any, name: Any) -> str:
    if isinstance(value, dict):
        keys = [str(key) for key in value]
        near = did_you_mean(str(name), keys)
        listed = ", ".join(keys[:12]) or "none"
        return f"the map has no key {name!r}. {near or f'Its keys are: {listed}.'}"
    if isinstance(value, (list, tuple)):
        return f"the list has {len(value)} items, so there is no item {name!r}"
    kind = {str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return f"{kind.get(type(value), 'this')} has no {name!r}"


def undefined(value: Any, name: Any) -> Any:
    """What stands for a missing key: an error once it is used, unless asked about with ``is defined`` or ``default``."""
    return StrictUndefined(_no_such(value, name))


def undefined_because(reason: str) -> Any:
    """What stands for a value that is missing for ``reason``."""
    return StrictUndefined(reason)


@lru_cache(maxsize=1)
def environment() -> _Environment:
    """The one environment; made when it is first needed."""
    return _Environment()
