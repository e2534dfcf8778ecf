"""Where in a document the mistake of an expression stands, and what a name in it was meant to be."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from flowplan.lang.document import Document
from flowplan.lang.template import whole
from flowplan.lang.words import ExpressionError
from flowplan.values.diagnostic import did_you_mean

if TYPE_CHECKING:
    from flowplan.lang.world import World


def spot(document: Document, error: ExpressionError, at: int) -> tuple[int, int | None]:
    """Start and end of the part that an error is about, in the value at ``at``; else of the whole value (end None).

    A value that is written with escapes or line breaks may not hold the part as it is read: then it is the whole.
    """
    if not error.needle:
        return at, None
    text, end = document.text, max(at, document.end_of(at))
    found = whole(error.needle).finditer(text, max(at, text.find("{", at, end)), end)
    match = next(islice(found, error.times, None), None)
    return match.span() if match is not None else (at, None)


def meant(world: World, message: str, in_validate: bool) -> str:
    """What a name that is not defined was meant to be, where the stack declares one of that name."""
    bare = re.fullmatch(r"'(\w+)' is not defined", message)
    if bare is None:
        return ""
    name = bare[1]
    if in_validate and did_you_mean(name, ("value",)):
        return "Did you mean 'value'?"
    places = {"var": world.variables.keys() | world.broken_variables, "local": world.locals.keys()}
    places |= {kind.value: named.keys() for kind, named in world.resources.items()}
    return next((f"Did you mean '{root}.{name}'?" for root, names in places.items() if name in names), "")
