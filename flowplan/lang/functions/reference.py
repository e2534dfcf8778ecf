"""The functions of the language, as Markdown (docs/language/functions.md holds it, a test keeps it fresh)."""

from __future__ import annotations

import json
import sys

from flowplan.lang.functions.filters import FROM_JINJA, TOPICS
from flowplan.lang.functions.registry import REGISTER, Function

_FILES = (
    ("file(path)", "The text of a file.", "file('train.sh')"),
    (
        "template_file(path)",
        "The text of a file, with the expressions in it evaluated where it is asked for.",
        "template_file('train.sh.tpl')",
    ),
    (
        "glob(pattern)",
        "The paths of the files that fit, in order: `*`, `?` and `[…]` within a name, `**` for any folders. Links and hidden files are passed over.",
        "glob('configs/**/*.yaml')",
    ),
)
_TESTS = {
    "exists": (("defined", "undefined"), "var.cfg.a is defined"),
    "kind": (
        ("none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping"),
        "var.name is string",
    ),
    "numbers": (("odd", "even", "divisibleby"), "6 is divisibleby(3)"),
    "letters": (("lower", "upper"), "'abc' is lower"),
    "comparison": (
        (
            "eq",
            "equalto",
            "ne",
            "lt",
            "lessthan",
            "le",
            "gt",
            "greaterthan",
            "ge",
            "in",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
        ),
        "[1, 5] | select('gt', 3)",
    ),
}


def render_reference() -> str:
    """Every function with how it is called, what it does, and an example with its result."""
    lines: list[str] = []
    for module in TOPICS:
        named = [one for one in REGISTER.values() if sys.modules[one.call.__module__] is module]
        topics = dict.fromkeys(one.topic for one in named)
        for topic in topics:
            lines += [f"## {topic}", "", "| function | gives | example | result |", "|---|---|---|---|"]
            lines += [_row(one) for one in named if one.topic == topic]
            lines += [""]
    lines += ["## Filters that are no functions", "", "| filter | gives |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(text)} |" for name, text in FROM_JINJA.items()]
    lines += ["", "## Files", "", "| function | gives | example |", "|---|---|---|"]
    lines += [f"| `{call}` | {_cell(text)} | `{example}` |" for call, text, example in _FILES]
    lines += ["", "## Tests", "", "After `is` or `is not`, and by name in `select` and its like.", ""]
    lines += ["| about | tests | example |", "|---|---|---|"]
    lines += [
        f"| {about} | {', '.join(map(_code, names))} | {_code(example)} |"
        for about, (names, example) in _TESTS.items()
    ]
    return "\n".join(lines)


def _row(one: Function) -> str:
    result = json.dumps(json.loads(one.gives), ensure_ascii=False)
    return f"| `{one.signature}` | {_cell(one.summary)} | {_code(one.example)} | {_code(result)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    shown = text.replace("\n", "\\n").replace("|", "\\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"
