"""What may stand in a stack besides its resources and outputs, and what is told of both when someone asks.

Apart from `flowplan.lang.stack`, which each plan needs: most stacks have none of it, and few ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import field

from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, Severity, Span
from flowplan.values.value import Lookup, Path, Reference


@frozen
class Origin:
    """Something that a value is made of: its name as written, its value, where it stands, and what made it in turn.

    ``source`` says who gave a variable its value: "default", "--var nodes", a file and line. ``address`` is the other
    resource, where it is an attribute of one. The value may be `Sensitive` or `Unknown`. ``kind`` is one of variable,
    local, lookup, for_each, input (of a module), module output, resource.
    """

    kind: str
    name: str
    value: Any
    source: str = ""
    span: Span | None = None
    snippet: str = ""
    origins: tuple[Origin, ...] = ()
    address: Address | None = None


@frozen
class Absence:
    """Why something that is declared stands for no resource: in words, where, and what decided it."""

    words: str
    span: Span | None = None
    snippet: str = ""
    origins: tuple[Origin, ...] = ()


OriginsOf = Callable[[Path], "tuple[Origin, ...]"]
"""What the value at a path below a declaration is made of; worked out only when asked."""
AbsenceOf = Callable[[Address], "Absence | None"]
"""Why an address stands for no resource; None where it is not declared at all, or does stand for one."""


class Decide(Protocol):
    """Decides a `Requirement`."""

    def __call__(self, lookup: Lookup, last: bool = False) -> Diagnostic | None:
        """What is wrong, or None."""
        ...


@frozen
class Requirement:
    """A ``require`` that could not be decided when the stack was read, because it waits for ``references``.

    ``check(lookup, last)`` gives what is wrong, or None. It is to be asked again when the plan is made, and a
    ``last`` time before the resource is created or changed: what still cannot be decided then does not hold.
    """

    references: tuple[Reference, ...]
    source: str
    check: Decide = field(eq=False, repr=False)


@frozen
class Moved:
    """A rename the user declared: what is recorded at ``origin`` is now ``to`` (stack-language.md, decision 8).

    An address without a key stands for all its ``for_each`` instances where ``for_each`` stays, and for the one
    instance where it comes or goes. A module call (``module.a``) is given as its path, kind and name empty.
    """

    origin: str
    to: str
    span: Span | None = field(default=None, eq=False)


@frozen
class Removed:
    """What the stack lets go of: recorded resources at ``origin`` are forgotten, or destroyed where ``destroy``."""

    origin: str
    destroy: bool = False
    span: Span | None = field(default=None, eq=False)


@frozen
class Import:
    """An object that exists at the provider and becomes the stack's: by ``id``, or by ``name`` where that is unique."""

    to: Address
    id: str | None = None
    name: str | None = None
    span: Span | None = field(default=None, eq=False)


@frozen
class Check:
    """One row of ``checks``: what must hold of the finished plan. ``ERROR`` stops the plan, ``WARNING`` warns.

    ``judge(plan_view)`` gives what is wrong, or None; `flowplan.lang.checks.evaluate_checks` asks all of them.
    """

    source: str
    severity: Severity
    judge: Callable[[Mapping[str, Any]], Diagnostic | None] = field(eq=False, repr=False)
    span: Span | None = field(default=None, eq=False)


@frozen
class Query:
    """What a lookup of ``data`` asks: ``kind`` and its arguments by name, plain texts."""

    kind: str
    arguments: tuple[tuple[str, str], ...]
    span: Span | None = field(default=None, eq=False)

    @property
    def key(self) -> str:
        """The same for every lookup that asks the same."""
        return f"{self.kind} {json.dumps(dict(self.arguments), sort_keys=True, ensure_ascii=False)}"

    def argument(self, name: str) -> str | None:
        """One argument, or None where it is not given."""
        return dict(self.arguments).get(name)


@frozen
class NoResult:
    """What came of a lookup that found nothing, or too much: what is said of it where it is declared."""

    summary: str
    suggestion: str = ""


Results = Mapping[str, "Mapping[str, Any] | NoResult"]
"""What came of lookups, by `Query.key`: the attributes of what was found."""
