"""Compiles an expression or a template with Jinja, sandboxed, its paths rewritten into what the scope answers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.parser import Parser

from flowplan.lang.complaints import unreadable
from flowplan.lang.functions import (
    MAX_ITEMS,
    MAX_TEXT,
    METER,
    Meter,
    TooLarge,
    as_text,
    key_of,
    name_of,
    size_of,
)
from flowplan.lang.functions.bounds import PIECE
from flowplan.lang.grammar import Rewriter
from flowplan.lang.sandbox import environment, parts
from flowplan.lang.template import KINDS, Program, Resolve, whole
from flowplan.lang.words import ExpressionError

MAX_SOURCE = 1_000_000
"""The longest template, in characters."""
MAX_CODE = 50_000
"""The most characters that a template's expressions and statements may have together."""
MAX_PARTS = 5_000
"""The most expressions and statements of a template."""

_HYPHENATED = re.compile(rf"\b(?:{'|'.join(sorted(KINDS))})\.[a-z][a-z0-9_]*-[a-z0-9_]")
_OPENS = re.compile(r"\{[{%]")


def place_of(program: Program, error: Exception) -> tuple[str, int]:
    """See `Program.place`."""
    there, number = parts(program.source), 0
    if not program.typed:
        compiled, offset = parts(_with_hyphens(program.source)), _offset_of(error)
        number = bisect_right(compiled, offset, key=lambda part: part[0]) - 1
        if len(compiled) != len(there) or not 0 <= number < len(there) or offset > compiled[number][1]:
            return "", 0
    start, end = there[number]
    needle = program.source[start:end]
    return needle, len(whole(needle).findall(program.source, 0, start)) if needle else 0


def _offset_of(error: Exception) -> int:
    """Where in the text of a template an error was raised; -1 where that is not known."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == "<template>":
            pairs = [pair.split("=") for pair in step.tb_frame.f_globals.get("debug_info", "").split("&")]
            below = [int(pair[0]) for pair in pairs if len(pair) == 2 and int(pair[1]) <= step.tb_lineno]
            return below[-1] if below else -1
        step = step.tb_next
    return -1


def _single_expression(text: str) -> str | None:
    """The inside of a text that is exactly one ``{{ … }}`` (a block scalar's last line break aside)."""
    stripped = text.removesuffix("\n")
    if not (stripped.startswith("{{") and stripped.endswith("}}")):
        return None
    kinds = [kind for _, kind, _ in environment().lex(stripped)]
    if kinds.count("variable_begin") != 1 or kinds[0] != "variable_begin" or kinds[-1] != "variable_end":
        return None
    return stripped[2:-2].removeprefix("-").removeprefix("+").removesuffix("-").removesuffix("+")


def _with_hyphens(text: str) -> str:
    """``text`` with each hyphenated resource name in an expression, ``volume.my-data``, written as a subscript.

    A resource is never subtracted from, so right after a kind's dot a hyphen can only be part of the name.
    """
    if not _HYPHENATED.search(text):
        return text
    tokens = [(kind, value) for _, kind, value in environment().lex(text)]
    result, position = [], 0
    while position < len(tokens):
        kind, value = tokens[position]
        result.append(value)
        position += 1
        before = tokens[position - 2][1] if position > 1 else ""
        if kind != "name" or value not in KINDS or before == "." or not _is(tokens, position, "."):
            continue
        end, name = position + 1, ""
        while (end < len(tokens) and tokens[end][0] in ("name", "integer")) or (
            _is(tokens, end, "-") and name
        ):
            if tokens[end][1] != "-" and name and not name.endswith("-"):
                break
            name += tokens[end][1]
            end += 1
        if name.endswith("-"):
            name, end = name[:-1], end - 1
        if "-" in name:
            result.append(f"['{name}']")
            position = end
    return "".join(result)


def _is(tokens: list[tuple[str, str]], position: int, operator: str) -> bool:
    return position < len(tokens) and tokens[position] == ("operator", operator)


def compile_text(source: str) -> Program:
    """The program of a text that holds more than plain paths.

    Raises:
        ExpressionError: it is no valid template, or uses what the language does not have.
    """
    text = _with_hyphens(source)
    if len(text) > MAX_SOURCE:
        raise ExpressionError(
            f"a text with expressions may have {MAX_SOURCE:,} characters at most", "Use file('…')."
        )
    if _too_much(text):
        raise ExpressionError(
            f"the expressions of one text may have {MAX_CODE:,} characters at most, in {MAX_PARTS:,} parts",
            "Split it with locals or template_file.",
        )
    env = environment()
    try:
        inside = _single_expression(text)
        if inside is not None:
            parser = Parser(env, inside, state="variable")
            expression = parser.parse_expression()
            if not parser.stream.eos:
                found = str(parser.stream.current.value)
                advice = (
                    "Write == to compare." if found == "=" else "Is an operator or a quote missing before it?"
                )
                raise ExpressionError(f"{found!r} is not expected here", advice, found)
            tree = nodes.Template(
                [nodes.Assign(nodes.Name("_result", "store"), nodes.Const(None), lineno=1)], lineno=1
            )
            rewriter = Rewriter(set())
            done = rewriter.visit(expression)
            tree.body[0].node = done  # type: ignore[attr-defined]
        else:
            tree = env.parse(text)
            stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
            if any(True for _ in tree.find_all(nodes.For)):
                stored.add("loop")
            rewriter = Rewriter(stored)
            rewriter.visit(tree)
        tree.set_environment(env)
        template = env.from_string(tree)
    except jinja2.TemplateSyntaxError as error:
        raise _syntax(text, error) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        raise ExpressionError(
            "the expression is too deeply nested or too large to compile", "Split it with locals."
        ) from None
    runner = _typed(template) if inside is not None else _rendered(template)
    return Program(
        source,
        tuple(rewriter.paths),
        inside is not None,
        None,
        (),
        runner,
        tuple(rewriter.files),
        rewriter.loops,
    )


def _too_much(text: str) -> bool:
    """Whether there is more to compile than the bounds allow."""
    code = parts = position = 0
    while (match := _OPENS.search(text, position)) is not None:
        end = text.find("}}" if match[0] == "{{" else "%}", match.end())
        position = len(text) if end < 0 else end + 2
        code += position - match.start()
        parts += 1
        if code > MAX_CODE or parts > MAX_PARTS:
            return True
    return False


def _syntax(text: str, error: jinja2.TemplateSyntaxError) -> ExpressionError:
    line = text.count("\n", 0, error.lineno) + 1  # the environment's tokens have offsets for lines
    return unreadable(text, str(error.message or "this is not an expression"), line)


def _context(resolve: Resolve, functions: dict[str, Any]) -> dict[str, Any]:
    meter: Meter = functions.get(METER) or Meter()
    steps = 0

    def each(values: Any, inside: int) -> Any:
        nonlocal steps
        if isinstance(values, jinja2.Undefined):
            str(values)
        if not isinstance(values, (list, tuple, dict, str)):
            raise TypeError(f"for needs a list, and this is {name_of(values)}")
        steps += len(values)
        if steps > MAX_ITEMS:
            raise TooLarge(f"its loops take more than {MAX_ITEMS:,} steps")
        # Why times what is inside: a step of a loop takes as long as its body is large
        meter.spend(len(values) * inside)
        return list(values)

    def cat(*values: Any) -> str:
        texts = [as_text(value) for value in values]
        meter.spend(1 + size_of(texts, PIECE))
        return "".join(texts)

    def weighed(value: Any) -> Any:
        if not isinstance(value, jinja2.Undefined):
            meter.weigh(value)
        return value

    names = {"_p": resolve, "_each": each, "_cat": cat, "_w": weighed, "_k": key_of}
    return {**names, METER: meter, **functions}


def _typed(template: jinja2.Template) -> Callable[[Resolve, dict[str, Any]], Any]:
    def run(resolve: Resolve, functions: dict[str, Any]) -> Any:
        context = template.new_context(_context(resolve, functions))
        for _ in template.root_render_func(context):
            pass
        result = context.vars["_result"]
        size_of(result)
        return _data(result)

    return run


def _rendered(template: jinja2.Template) -> Callable[[Resolve, dict[str, Any]], Any]:
    def run(resolve: Resolve, functions: dict[str, Any]) -> Any:
        context = template.new_context(_context(resolve, functions))
        return "".join(_limited(template.root_render_func(context)))

    return run


def _limited(pieces: Iterator[str]) -> Iterator[str]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MAX_TEXT:
            raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
        yield piece


def _data(value: Any) -> Any:
    """A result as plain data: lists for tuples and ranges, nothing undefined, no functions."""
    kind = type(value)
    if kind in (str, int, float, bool, type(None)):
        return value
    if isinstance(value, jinja2.Undefined):
        str(value)
    if isinstance(value, dict):
        return {_data(key): _data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_data(item) for item in value]
    if isinstance(value, str):
        return str(value)
    raise TypeError("the result is not data (was a method meant to be called, with parentheses?)")
