"""What differs between two recorded states, and the history of one: for people, and as documents for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from flowplan.report.paint import Paint, clean
from flowplan.report.state_text import record_document
from flowplan.state.compare import ABSENT, Difference, FieldChange
from flowplan.state.history import Serial, Touch
from flowplan.values.quantity import format_instant
from flowplan.values.value import Fingerprint, path_text

FORMAT_VERSION = "1.0"
"""Of the documents here. Major versions break readers, minor ones add."""

_SIGN = {Touch.ADD: ("+", "green"), Touch.CHANGE: ("~", "yellow"), Touch.REMOVE: ("-", "red")}
_SHOWN = 4


def render_difference(difference: Difference, paint: Paint) -> str:
    """A difference for people, a line for each value; "" where there is none."""
    return "\n".join(_lines(difference, paint))


def _lines(difference: Difference, paint: Paint) -> Iterator[str]:
    for title, field in (("lineage", difference.lineage), ("project", difference.project)):
        if field is not None:
            yield f"  {paint('~', 'yellow')} {title}: {_shown(field.before)} -> {_shown(field.after)}"
    for one in difference.records:
        sign, colour = _SIGN[one.touch]
        record = one.after or one.before
        assert record is not None
        yield f"  {paint(sign, colour)} {clean(str(one.address))} [id={clean(record.id)}]"
        yield from (f"      {_field(field, paint)}" for field in one.fields)
    if difference.outputs:
        yield f"  {paint('~', 'yellow')} outputs"
        yield from (f"      {_field(field, paint)}" for field in difference.outputs)


def _field(field: FieldChange, paint: Paint) -> str:
    name = clean(path_text(field.path))
    if field.before is ABSENT:
        return f"{paint('+', 'green')} {name}: {_shown(field.after)}"
    if field.after is ABSENT:
        return f"{paint('-', 'red')} {name}: {_shown(field.before)}"
    if isinstance(field.before, Fingerprint) and isinstance(field.after, Fingerprint):
        return f"{paint('~', 'yellow')} {name}: (another sensitive value)"
    return f"{paint('~', 'yellow')} {name}: {_shown(field.before)} -> {_shown(field.after)}"


def _shown(value: Any) -> str:
    if isinstance(value, Fingerprint):
        return "(sensitive value)"
    if isinstance(value, datetime):
        return format_instant(value)
    return clean(json.dumps(value, ensure_ascii=False))


def difference_document(difference: Difference, before: int, after: int) -> dict[str, Any]:
    """A difference as JSON-shaped data; secrets are marked, never shown."""
    return {
        "format_version": FORMAT_VERSION,
        "from": before,
        "to": after,
        "resources": [
            {
                "address": str(one.address),
                "change": one.touch.value,
                "before": record_document(one.before) if one.before else None,
                "after": record_document(one.after) if one.after else None,
                "fields": [_field_document(field) for field in one.fields],
            }
            for one in difference.records
        ],
        "outputs": [_field_document(field) for field in difference.outputs],
    }


def _field_document(field: FieldChange) -> dict[str, Any]:
    found: dict[str, Any] = {"path": list(field.path)}
    for name, value in (("before", field.before), ("after", field.after)):
        if value is ABSENT:
            continue
        found[name] = {"$sensitive": True} if isinstance(value, Fingerprint) else value
        if isinstance(value, datetime):
            found[name] = format_instant(value)
    return found


def render_history(serials: Sequence[Serial], paint: Paint) -> str:
    """Serials for people, a line each, in the given order."""
    rows = [
        (
            str(one.number),
            format_instant(one.at)[:19] + "Z" if one.at else "before serials were kept",
            clean(one.operation),
            str(one.resources),
            _touched(one, paint),
        )
        for one in serials
    ]
    head = ("SERIAL", "AT", "BY", "RESOURCES", "CHANGES")
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(4)]
    return "\n".join(
        "  ".join(
            [row[0].rjust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]), row[3].rjust(widths[3]), row[4]]
        ).rstrip()
        for row in [head, *rows]
    )  # fmt: skip


def _touched(serial: Serial, paint: Paint) -> str:
    shown = [f"{paint(*_SIGN[one.touch])} {clean(one.address)}" for one in serial.touched[:_SHOWN]]
    more = len(serial.touched) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def history_document(stack: str, serials: Sequence[Serial]) -> dict[str, Any]:
    """Serials as JSON-shaped data."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": stack,
        "serials": [
            {
                "serial": one.number,
                "at": format_instant(one.at) if one.at else None,
                "operation": one.operation,
                "flowplan_version": one.version,
                "resources": one.resources,
                "changes": [
                    {"address": touched.address, "change": touched.touch.value, "id": touched.id or None}
                    for touched in one.touched
                ],
            }
            for one in serials
        ],
    }
