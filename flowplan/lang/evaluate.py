"""Evaluates one expression in the context of a whole stack, as ``flowplan eval`` and the console do.

The expression is read as one more output of the stack, so it sees what an output sees, and means here exactly
what it would mean there: unknowns and taint are carried, and mistakes are named with their place in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve

from flowplan.lang.files import is_stack_file
from flowplan.lang.stack import Source, Stack
from flowplan.lang.template import is_template
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, Diagnostics, Span
from flowplan.values.value import Lookup, NotYetKnown, Reference, Unknown, resolve

SHOWN = "<expression>"
"""The name of the text of an expression in diagnostics."""
_FILE = f"{SHOWN}.yaml"
_NAME = "flowplan-expression"
_HEAD = f"outputs:\n  {_NAME}:\n    sensitive: true\n    value: |-\n"
_HEAD_LINES = _HEAD.count("\n")
_INDENT = "      "

Load = Callable[[Sequence[Source]], "tuple[Stack | None, Diagnostics]"]
"""Reads a stack from texts, with the variable values and files that belong to it."""


@frozen
class Evaluated:
    """What an expression gives: plain data that may hold `Unknown` and `Sensitive`; and the stack around it."""

    value: Any
    references: tuple[Reference, ...]
    stack: Stack


def evaluate(expression: str, sources: Sequence[Source], load: Load) -> tuple[Evaluated | None, Diagnostics]:
    """The value of an expression in the stack that ``sources`` spell; with or without its braces.

    None where it, or the stack, is wrong. Places in the expression are in the text named ``<expression>``.
    """
    stripped = expression.strip()
    bare = not is_template(stripped)
    text = f"{{{{ {stripped} }}}}" if bare else stripped
    body = "".join(f"{_INDENT}{line}\n" if line.strip() else "\n" for line in text.splitlines())
    names = {}
    texts = []
    for source in sources:
        # Why: with the expression there are two files, and of several only YAML files make a stack.
        path = source.path if is_stack_file(source.path) or len(sources) > 1 else f"{source.path}.yaml"
        names[path] = source.path
        texts.append(evolve(source, path=path))
    stack, found = load([*texts, Source(_FILE, _HEAD + body)])
    told = Diagnostics()
    told.extend(_placed(one, stripped, len("{{ ") if bare else 0, names) for one in found)
    if stack is None or found.has_errors:
        return None, told
    output = stack.outputs.get(_NAME)
    if output is None:  # it hangs on a lookup that was not carried out
        return Evaluated(Unknown((), stripped), (), evolve(stack, sources=tuple(sources))), told
    outputs = {name: value for name, value in stack.outputs.items() if name != _NAME}
    rest = evolve(stack, outputs=outputs, sources=tuple(sources))
    return Evaluated(output.value, output.references, rest), told


def settle(value: Any, lookup: Lookup) -> Any:
    """``value`` with what ``lookup`` knows filled in; an unknown that fails to compute stays one.

    Raises:
        FlowplanError: what is known now makes an expression fail.
    """

    def careful(reference: Reference) -> Any:
        found = lookup(reference)
        if found is None:
            raise NotYetKnown(str(reference))
        return found

    return resolve(value, careful)


def _placed(found: Diagnostic, expression: str, before: int, names: dict[str, str]) -> Diagnostic:
    """The diagnostic with its place in the expression as it was typed, where it is about that."""
    span = found.span
    if span is None or span.source != _FILE:
        return evolve(found, span=evolve(span, source=names.get(span.source, span.source))) if span else found
    lines = expression.splitlines() or [""]
    line, column = _place(span.line, span.column, before)
    end_line, end_column = _place(span.end_line, span.end_column, before)
    line = min(line, len(lines))
    if (end_line, end_column) <= (line, column) or span.line <= _HEAD_LINES:
        end_line, end_column = line, len(lines[line - 1]) + 1
    end_column = min(end_column, len(lines[end_line - 1]) + 1) if end_line <= len(lines) else end_column
    shown = lines[line - 1] if found.snippet else ""
    return evolve(found, span=Span(SHOWN, line, column, end_line, end_column), snippet=shown)


def _place(line: int, column: int, before: int) -> tuple[int, int]:
    """Line and column in the expression of a place in the text that was made around it."""
    if line <= _HEAD_LINES:
        return 1, 1
    line -= _HEAD_LINES
    return line, max(1, column - len(_INDENT) - (before if line == 1 else 0))
