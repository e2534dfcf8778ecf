"""The sandboxed Jinja environment: no globals, no attributes of Python objects, nothing unbounded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import pass_context
from jinja2.lexer import TokenStream
from jinja2.runtime import Context, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowplan.lang.functions import (
    FILTERS_ALLOWED,
    TESTS_ALLOWED,
    Method,
    as_text,
    attribute_of,
    calculate,
    is_missing,
    item_of,
    meter_of,
)
from flowplan.values.diagnostic import did_you_mean


@pass_context
def _shown(context: Context, value: Any) -> str:
    """What an expression gives, as it stands in the text around it."""
    text = as_text(value)
    meter_of(context).spend(1 + len(text) // 8)
    return text


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
            finalize=_shown,
            comment_start_string="{\x00#",
            comment_end_string="#\x00}",
            cache_size=0,
        )
        self.filters = dict(FILTERS_ALLOWED)
        self.tests = dict(TESTS_ALLOWED)
        self.globals = {}

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        """Tokens that know their offset in the text where Jinja's know their line: mistakes are told by column."""
        tokens = self.lexer.wrap(_placed(source, self.lexer.tokeniter(source, name, filename, state)), name)
        return TokenStream(tokens, name, filename)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        meter = meter_of(context)
        meter.weigh(left)
        meter.weigh(right)
        result = calculate(operator, left, right)
        if isinstance(result, (str, list)):
            meter.spend(len(result) // (8 if isinstance(result, str) else 1))
        return result

    def call(__self, __context: Any, __obj: Any, *args: Any, **options: Any) -> Any:  # noqa: N805
        if isinstance(__obj, Method):
            meter = meter_of(__context)
            for value in (__obj.value, *args):
                meter.weigh(value)
            result = __obj(*args)
            if isinstance(result, (str, list)):
                meter.spend(len(result) // (8 if isinstance(result, str) else 1))
            return result
        return super().call(__context, __obj, *args, **options)

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


def _placed(source: str, tokens: Iterator[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """The tokens of a text with the offset of each in place of its line."""
    position = 0
    try:
        for _, kind, value in tokens:
            found = source.find(value, position)  # Why: blanks around a statement are left out of the tokens
            start = position if found < 0 else found
            yield start, kind, value
            position = start + (0 if found < 0 else len(value))
    except jinja2.TemplateSyntaxError as error:
        lines = source.split("\n")
        error.lineno = sum(len(line) + 1 for line in lines[: error.lineno - 1])
        raise


def parts(text: str) -> list[tuple[int, int]]:
    """Where the expressions and statements of a text begin and end, inside their braces, without blanks."""
    found: list[tuple[int, int]] = []
    opened = -1
    for start, kind, value in _placed(text, environment().lexer.tokeniter(text, None)):
        if kind in ("variable_begin", "block_begin"):
            opened = start + len(value)
        elif kind in ("variable_end", "block_end") and opened >= 0:
            inside = text[opened:start]
            found.append((opened + len(inside) - len(inside.lstrip()), opened + len(inside.rstrip())))
            opened = -1
    return found


def _no_such(value: Any, name: Any) -> str:
    if isinstance(value, dict):
        keys = [str(key) for key in value]
        near = did_you_mean(str(name), keys)
        listed = ", ".join(keys[:12]) or "none"
        return f"the map has no key {name!r}. {near or f'Its keys are: {listed}.'}"
    if isinstance(value, (list, tuple)):
        return f"the list has {len(value)} items, so there is no item {name!r}. The first one is item 0."
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
