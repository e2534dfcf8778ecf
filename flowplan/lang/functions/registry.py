"""The register of functions: each is written once, with what it does and an example, and is function and filter alike.

``upper(x)`` and ``x | upper`` are the same call. Every call is counted by the evaluation's meter; what a function
is given is looked at before it runs, so it never works on more than the bounds allow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined

from flowplan.lang.functions.bounds import Meter
from flowplan.values.classes import frozen

METER = "_meter"
"""The name of the meter among what a compiled text is given."""
_CALL = 5
_F = TypeVar("_F", bound=Callable[..., Any])


@frozen
class Function:
    """One function of the language.

    ``example`` is an expression, and ``gives`` what it evaluates to, as JSON. ``lenient`` functions may be given
    something undefined as their first value.
    """

    name: str
    topic: str
    call: Callable[..., Any]
    example: str
    gives: str
    lenient: bool = False

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return " ".join((inspect.getdoc(self.call) or "").split("\n\n")[0].split())

    @property
    def signature(self) -> str:
        """How it is called, in the words of the language."""
        parts = []
        for parameter in self._parameters:
            shown = parameter.name + ("…" if parameter.kind is parameter.VAR_POSITIONAL else "")
            if parameter.default is not parameter.empty:
                shown += f"={_written(parameter.default)}"
            parts.append(shown)
        return f"{self.name}({', '.join(parts)})"

    @property
    def pays(self) -> bool:
        """Whether it counts its own steps, with the meter it is given."""
        return "meter" in inspect.signature(self.call).parameters

    @property
    def _parameters(self) -> list[inspect.Parameter]:
        return [one for one in inspect.signature(self.call).parameters.values() if one.name != "meter"]

    def mismatch(self, count: int, keywords: list[str]) -> str:
        """Why it cannot be called with so many values and these names, or ""."""
        try:
            inspect.Signature(self._parameters).bind(*[None] * count, **dict.fromkeys(keywords))
        except TypeError as error:
            text = str(error)
            name = text.rpartition("argument")[2].strip(": '")
            if text.startswith("missing"):
                return f"{self.name}() needs more arguments: {name!r} is missing"
            if text.startswith("got an unexpected"):
                return f"{self.name}() has no argument {name!r}"
            return f"{self.name}() is given {count} arguments, which is too many"
        return ""


def _written(default: Any) -> str:
    if default is None or isinstance(default, bool):
        return {None: "null", True: "true", False: "false"}[default]
    return repr(default)


REGISTER: dict[str, Function] = {}
"""Every function by name, in the order of the documentation."""


def function(
    topic: str, example: str, gives: str, *, name: str = "", also: str = "", lenient: bool = False
) -> Callable[[_F], _F]:
    """Register what is decorated under its own name (or ``name``), and under ``also`` where it has two."""

    def add(call: _F) -> _F:
        first = name or call.__name__.rstrip("_")
        REGISTER[first] = Function(first, topic, call, example, gives, lenient)
        if also:
            again = example.replace(f"{first}(", f"{also}(").replace(f"| {first}", f"| {also}")
            REGISTER[also] = Function(also, topic, call, again, gives, lenient)
        return call

    return add


def meter_of(context: Context) -> Meter:
    """The meter of the evaluation that a context belongs to."""
    meter = context.parent[METER]
    assert isinstance(meter, Meter)
    return meter


def metered(function: Function) -> Callable[..., Any]:
    """A function as a filter that counts what it is given and what it makes."""
    call, pays = function.call, function.pays
    every = function.name == "coalesce"

    @pass_context
    def counted(context: Context, *args: Any, **options: Any) -> Any:
        meter = meter_of(context)
        meter.spend(_CALL)
        for place, value in enumerate(args):
            if isinstance(value, Undefined) and not (function.lenient and (every or not place)):
                str(value)  # raises, with the reason
            meter.weigh(value)
        for value in options.values():
            meter.weigh(value)
        if pays:
            options["meter"] = meter
        result = call(*args, **options)
        if isinstance(result, (str, list, dict)):
            meter.spend(len(result) // (8 if isinstance(result, str) else 1))
        return result

    return counted


def metered_with_context(call: Callable[..., Any]) -> Callable[..., Any]:
    """`metered` for one of Jinja's own filters that takes the context and gives a generator."""

    @pass_context
    def counted(context: Context, *args: Any, **options: Any) -> Any:
        meter = meter_of(context)
        for value in args:
            if isinstance(value, Undefined):
                str(value)
            meter.weigh(value)
        taken = []
        for item in call(context, *args, **options):
            meter.spend(_CALL)
            taken.append(item)
        return taken

    return counted
