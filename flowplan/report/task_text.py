"""How recorded tasks stand, as a table and as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from flowplan.report.paint import Paint, clean
from flowplan.values.classes import frozen
from flowplan.values.quantity import format_duration, format_instant


class Standing(Enum):
    """How a recorded task stands: the documented TaskStatus, and what only a state can tell besides.

    ``interrupted``: its creation began and did not end. ``preempted``: it ran, lost its instances, and waits for
    others. ``lost``: it is gone at the provider, neither completed nor cancelled by flowplan. ``unknown``: the
    provider cannot be asked.
    """

    INTERRUPTED = "interrupted"
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    PREEMPTING = "preempting"
    PREEMPTED = "preempted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    UNKNOWN = "unknown"

    @property
    def is_over(self) -> bool:
        """Whether it will never run again by itself."""
        return self in (Standing.COMPLETED, Standing.FAILED, Standing.CANCELLED, Standing.LOST)


_COLOURS = {
    Standing.RUNNING: "green",
    Standing.COMPLETED: "green",
    Standing.FAILED: "red",
    Standing.LOST: "red",
    Standing.CANCELLED: "dim",
}


@frozen
class TaskRow:
    """One recorded task. Money is text such as ``$3.00``; ``price`` is for one instance and hour."""

    stack: str
    address: str
    standing: Standing
    id: str = ""
    name: str = ""
    instance_type: str = ""
    nodes: int = 0
    region: str = ""
    price: str | None = None
    cost: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    host: str | None = None
    message: str = ""
    unseen: str = ""
    """Why no one can see whether it has completed, where no one can; "" else."""

    def age_s(self, now: datetime) -> float | None:
        """Seconds since it was submitted; None where no one knows when."""
        return None if self.created_at is None else max(0.0, (now - self.created_at).total_seconds())


def task_document(row: TaskRow) -> dict[str, Any]:
    """A row as JSON-shaped data."""

    def instant(moment: datetime | None) -> str | None:
        return None if moment is None else format_instant(moment)

    return {
        "stack": row.stack,
        "address": row.address,
        "status": row.standing.value,
        "id": row.id or None,
        "name": row.name or None,
        "instance_type": row.instance_type or None,
        "num_instances": row.nodes or None,
        "region": row.region or None,
        "cost_per_hour": row.price,
        "total_cost": row.cost,
        "created_at": instant(row.created_at),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "exit_code": row.exit_code,
        "ssh_host": row.host,
        "message": row.message or None,
    }


def render_tasks(rows: Sequence[TaskRow], now: datetime, paint: Paint) -> str:
    """The rows as a table; the stack's column is left out where there is one stack, that of hosts where none is known."""
    columns: dict[str, list[str]] = {
        "STACK": [row.stack for row in rows],
        "ADDRESS": [row.address for row in rows],
        "STATUS": [_status(row) for row in rows],
        "TYPE": [row.instance_type for row in rows],
        "NODES": [str(row.nodes or "") for row in rows],
        "PRICE": [f"{row.price}/h" if row.price else "" for row in rows],
        "COST": [row.cost or "" for row in rows],
        "AGE": [_age(row, now) for row in rows],
        "HOST": [row.host or "" for row in rows],
    }
    if len(set(columns["STACK"])) <= 1:
        del columns["STACK"]
    if not any(columns["HOST"]):
        del columns["HOST"]
    cells = {title: [_cell(text) for text in texts] for title, texts in columns.items()}
    widths = {title: max(len(title), *map(len, texts)) for title, texts in cells.items()}
    lines = [paint(_line(dict(zip(cells, cells, strict=True)), widths), "bold")]
    for place, row in enumerate(rows):
        line = {title: texts[place] for title, texts in cells.items()}
        colour = _COLOURS.get(row.standing)
        lines.append(_line(line, widths, {"STATUS": (colour, paint)} if colour else {}))
    return "\n".join(lines)


def _cell(text: str) -> str:
    return clean(text).replace("\n", "\\n").replace("\t", "\\t") or "-"


def _line(
    cells: Mapping[str, str], widths: Mapping[str, int], painted: Mapping[str, tuple[str, Paint]] = {}
) -> str:
    """One line of the table, its columns two spaces apart, nothing after the last."""
    parts = []
    *_, last = cells
    for title, text in cells.items():
        padding = "" if title == last else " " * (widths[title] - len(text))
        colour = painted.get(title)
        parts.append((colour[1](text, colour[0]) if colour else text) + padding)
    return "  ".join(parts)


def _status(row: TaskRow) -> str:
    if row.standing is Standing.FAILED and row.exit_code is not None:
        return f"failed ({row.exit_code})"
    return row.standing.value


def _age(row: TaskRow, now: datetime) -> str:
    age = row.age_s(now)
    return "" if age is None else format_duration(age)
