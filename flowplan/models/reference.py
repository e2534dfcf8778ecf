"""The reference of the models as Markdown (docs/models.md holds it, a test keeps it fresh)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from flowplan.models.catalogue import all_enums, all_models
from flowplan.models.table import rows


def render_reference() -> str:
    """Every model with its fields, then every enum with its values, as Markdown."""
    lines: list[str] = []
    for name, kind in all_models().items():
        lines += [f"### {name}", "", _summary(kind), "", *_fields(name, kind), ""]
        for alias, own in kind._aliases_.items():
            lines += [f"`{alias}` is another name of `{own}`.", ""]
    lines += ["### Enums", "", "| enum | values |", "|---|---|"]
    for name, enum in all_enums().items():
        lines.append(f"| {name} | {', '.join(f'`{member.value}`' for member in enum)} |")
    return "\n".join(lines) + "\n"


def _summary(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n")[0].replace("``", "`")


def _fields(name: str, kind: type) -> Iterator[str]:
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    for row in rows(name, kind):
        default = row.default if row.default in ("required", "computed") else f"`{row.default}`"
        constraint = row.constraint[:1].upper() + row.constraint[1:]
        meaning = f"{row.doc} {constraint}." if constraint else row.doc
        yield f"| `{row.field}` | `{_cell(row.type)}` | {_cell(default)} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    """Text that may stand in a cell of a table."""
    return text.replace("|", "\\|")
