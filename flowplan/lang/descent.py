"""Into values and back out in words: parts of unknown and sensitive values, and what to call a value or failure."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from flowplan.lang.answers import answered
from flowplan.lang.complaints import of_python
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Sensitive, Unknown


def is_undefined(value: Any) -> bool:
    """Whether it stands for something missing. Jinja is not imported for that: without it, there is no such value."""
    runtime = sys.modules.get("jinja2.runtime")
    return runtime is not None and isinstance(value, runtime.Undefined)


def descend(value: Any, parts: Iterable[Any], source: str) -> Any:
    """What ``parts`` lead to below ``value``, through unknown and sensitive values; undefined where they do not."""
    rest = tuple(parts)
    if not rest:
        return value
    from flowplan.lang.functions import is_missing, item_of
    from flowplan.lang.sandbox import undefined, undefined_because

    while rest:
        kind = type(value)
        if kind is Sensitive:
            inner = descend(value.reveal(), rest, source)
            if is_undefined(inner):
                return undefined_because("the sensitive value has no such part")
            return sensitive(inner)
        if kind is Unknown:
            return _part(value, rest, source)
        if is_undefined(value):
            return value
        found = item_of(value, rest[0])
        if is_missing(found):
            return undefined(value, rest[0])
        value, rest = found, rest[1:]
    return value


def _part(whole: Unknown, rest: tuple[Any, ...], source: str) -> Unknown:
    return Unknown(
        whole.references,
        source,
        evaluate=lambda lookup: _defined(descend(answered(whole, lookup), rest, source)),
        sensitive=whole.sensitive,
        needs=(whole,),
    )


def _defined(value: Any) -> Any:
    if is_undefined(value):
        raise FlowplanError(Diagnostic.error(reason(value)))
    return value


def reason(value: Any) -> str:
    """Why it is undefined."""
    return str(value._undefined_message)


def sensitive(value: Any) -> Any:
    """``value`` as a sensitive one; an unknown one gives a sensitive value once it is known."""
    if type(value) is Sensitive:
        return value
    if type(value) is Unknown:
        if value.sensitive:
            return value
        return Unknown(
            value.references,
            value.source,
            evaluate=lambda lookup: sensitive(answered(value, lookup)),
            sensitive=True,
            type=value.type,
            needs=(value,),
        )
    return Sensitive(value)


def describe(value: Any) -> str:
    """What kind of value it is, in words, never the value itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is Sensitive:
        return "a sensitive value"
    if type(value) is Unknown:
        return "a value known only after apply"
    from flowplan.lang.functions import name_of

    return name_of(value)


def words(error: Exception) -> str:
    """What an exception out of an expression tells its writer."""
    exceptions = sys.modules.get("jinja2.exceptions")
    if exceptions is not None and isinstance(error, exceptions.UndefinedError):
        return str(error.message)
    if isinstance(error, ZeroDivisionError):
        return "the expression divides by zero"
    if isinstance(error, RecursionError):
        return "this expression is too deeply nested"
    text = str(error).splitlines()
    if text and " cannot stand inside a text" in text[0]:
        return text[0]
    if text and (said := of_python(text[0])):
        return said
    return f"this expression cannot be evaluated: {text[0][:300] if text else type(error).__name__}"
