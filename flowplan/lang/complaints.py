"""Words for expressions that cannot be read or called: Jinja's and Python's messages, said in the language's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flowplan.lang.words import ExpressionError
from flowplan.resources.attribute import ResourceKind
from flowplan.values.address import Address, Kind
from flowplan.values.convert import Problem
from flowplan.values.diagnostic import did_you_mean

STATEMENTS = ("if", "elif", "else", "endif", "for", "endfor", "set")
"""The words that a statement may begin with."""
_LITERAL = "For literal braces write {% raw %}…{% endraw %}."
_CHARACTERS = {
    "&": ("&&", "Write and."),
    "?": ("?", "Write A if CONDITION else B."),
    "!": ("!", "Write not."),
    "$": ("$", "Write var.NAME, without a dollar sign."),
    "`": ("`", "Write text in single quotes."),
    "\\": ("\\", "Write text in single quotes, without backslashes outside them."),
    "#": ("#", "Comments belong to YAML: put them outside the quotes."),
}
"""What people write who think of another language: what to point at, and what to write instead."""


def unreadable(text: str, message: str, line: int) -> ExpressionError:
    """The mistake behind a syntax error of the template ``text``; ``line`` is where the parser gave up."""
    lines = text.splitlines() or [""]
    where = lines[min(len(lines), max(1, line)) - 1].strip()
    named = re.match(r"No (filter|test) named '([^']*)'", message)
    if named:
        from flowplan.lang.functions import FILTERS_ALLOWED, TESTS_ALLOWED

        known = FILTERS_ALLOWED if named[1] == "filter" else TESTS_ALLOWED
        near = did_you_mean(named[2], known) or f"The {named[1]}s are: {', '.join(sorted(known))}."
        return ExpressionError(f"there is no {named[1]} {named[2]!r}", near, named[2])
    statement = re.match(r"Encountered unknown tag '([^']*)'", message)
    if statement:
        near = did_you_mean(statement[1], STATEMENTS) or "The statements are if, for and set."
        shown = re.search(rf"\{{%-?\s*{re.escape(statement[1])}\b[^%]*%\}}", text)
        return ExpressionError(f"there is no statement {statement[1]!r}", near, shown[0] if shown else where)
    block = re.search(r"innermost block that needs to be closed is '(\w+)'", message)
    if block:
        opened = re.findall(rf"\{{%-?\s*{block[1]}\b[^%]*%\}}", text)
        advice = f"Close it with {{% end{block[1]} %}}."
        return ExpressionError(
            f"this {{% {block[1]} %}} is never closed", advice, opened[-1] if opened else where
        )
    character = re.match(r"unexpected char ['\"](.)", message)
    if character and character[1] in _CHARACTERS:
        needle, advice = _CHARACTERS[character[1]]
        needle = needle if needle in text else character[1]
        return ExpressionError(f"{needle} is not part of the expression language", advice, needle)
    if text.count("{{") > text.count("}}"):
        return ExpressionError("this expression is never closed", f"End it with }}}}. {_LITERAL}", "{{")
    if "||" in text and "|" in message:
        return ExpressionError("|| is not part of the expression language", "Write or.", "||")
    missing = re.search(r"(?<!un)expected (?:token )?'([)\]}])'", message)
    if missing and ("unexpected" in message or "got" in message):
        return ExpressionError(f"a {missing[1]} is missing", f"Write {missing[1]} where it closes.", where)
    if "end of template" in message:
        inside = re.sub(r"[{}%\s-]", "", text)
        if not inside:
            return ExpressionError("there is nothing inside the braces", "Write an expression.", where)
        return ExpressionError("the expression ends too early", "Complete what stands before the }}.", where)
    summary = message[:1].lower() + message[1:].rstrip(".")
    return ExpressionError(f"not a valid expression: {summary}", _LITERAL, where)


_TYPES = {
    "int": "a whole number", "str": "a text", "float": "a number", "list": "a list", "dict": "a map",
    "NoneType": "null", "bool": "true or false", "tuple": "a list",
}  # fmt: skip


def of_python(text: str) -> str:
    """What Python says of a failed operation, in the language's terms; "" where it is not one of the usual."""
    compared = re.match(r"'(\S+)' not supported between instances of '(\w+)' and '(\w+)'", text)
    if compared:
        one, other = (_TYPES.get(name, name) for name in compared.groups()[1:])
        return f"{compared[1]} cannot compare {one} with {other}"
    lacking = re.match(r"(?:\S*\.)?_*(\w+)\(\) missing \d+ required .*?arguments?: (.*)", text)
    if lacking:
        return f"{lacking[1]}() needs more arguments: {lacking[2]} is missing"
    many = re.match(
        r"(?:\S*\.)?_*(\w+)\(\) takes (?:from \d+ to )?(\d+) positional arguments? but (\d+)", text
    )
    if many:
        return f"{many[1]}() takes fewer arguments: {many[2]} at most, and {many[3]} are given"
    unknown = re.match(r"(?:\S*\.)?_*(\w+)\(\) got an unexpected keyword argument '(\w+)'", text)
    if unknown:
        return f"{unknown[1]}() has no argument {unknown[2]!r}"
    length = re.match(r"object of type '(\w+)' has no len\(\)", text)
    if length:
        return f"a text or list is needed here, and this is {_TYPES.get(length[1], 'something else')}"
    iterated = re.match(r"'(\w+)' object is not iterable", text)
    if iterated:
        return f"a list is needed here, and this is {_TYPES.get(iterated[1], 'something else')}"
    return ""


_TASKS = "Declare tasks under tasks:."
FOREIGN_SECTIONS: Mapping[Any, str] = {
    **dict.fromkeys(("services", "jobs", "steps", "containers"), _TASKS),
    **dict.fromkeys(("resource", "resources"), "Resources stand under tasks:, volumes: and reservations:."),
    **dict.fromkeys(("vars", "params", "parameters", "inputs"), "Declare variables under variables:."),
    "env": "A task has its own env:; values for the whole stack are declared under variables:.",
    "version": "Remove it; requires: says which flowplan the stack needs.",
    "name": "Write stack: NAME.",
}
"""What other tools call their sections, and what to do here."""
_SEVERAL = "Use for_each for several resources, or num_instances for several instances of one."
_FOREIGN: Mapping[Kind, Mapping[str, str]] = {
    Kind.TASK: {
        "count": _SEVERAL,
        "replicas": _SEVERAL,
        "quantity": "Use num_instances.",
        "nodes": "Use num_instances.",
        "num_nodes": "Use num_instances.",
        "gpus": "Use instance_type with the count in it, such as instance_type: 8xh100.",
        "resources": "Use instance_type, such as instance_type: 8xh100.",
        "run": "Use command.",
        "script": "Use command, with | and a text of many lines.",
        "entrypoint": "Use command.",
        "envs": "Use env.",
        "restart": "Use lifecycle: {rerun: always}, or {on_lost: recreate}.",
        "needs": "Use depends_on.",
        "if": "Use when.",
    },
    Kind.VOLUME: {
        "size": "Use size_gb.",
        "region": "Write region: … below provider:.",
        "type": "Use interface.",
    },
    Kind.RESERVATION: {
        "num_instances": "Use quantity.",
        "start_time": "Use start_time_utc.",
        "end_time": "Use duration_hours.",
        "reserved_duration_hours": "Use duration_hours.",
    },
}
"""What people write who think of another tool, or of another kind, and what it is called here."""
_META = frozenset(("for_each", "when", "depends_on", "lifecycle", "timeouts", "require", "file"))
"""What a stack says of a resource beside its model's fields, and a model's own file therefore cannot."""
_EXPANSION = r"\$\{((?:var|local|each|data|volume|task|reservation)\.[^}]+)\}"


def of_field(problem: Problem, kind: ResourceKind, address: Address, body: Mapping[str, Any]) -> Problem:
    """The problem of a field with better advice, where the writer's intent is plain."""
    if len(problem.path) == 1 and problem.message.endswith(" is not a field"):
        name = str(problem.path[0])
        if name in kind.computed:
            summary = f"{name} is decided by the provider and cannot be set"
            return Problem(problem.path, summary, f"Remove it; it is read as {{{{ {address}.{name} }}}}.")
        if name in _META:
            return Problem(problem.path, problem.message, f"Write {name} in the stack, beside file.")
        if advice := _FOREIGN.get(kind.kind, {}).get(name):
            return Problem(problem.path, problem.message, advice)
    value = body.get(str(problem.path[0])) if len(problem.path) == 1 else None
    written = re.search(_EXPANSION, value) if isinstance(value, str) else None
    if written:
        return Problem(problem.path, problem.message, f"Write {{{{ {written[1]} }}}}: ${{…}} is the shell's.")
    return problem
