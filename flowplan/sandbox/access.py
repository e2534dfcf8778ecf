"""Reading a machine's output and completion record from the sandbox's folder (`ports.InstanceAccess`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowplan.sandbox import process

Order = tuple[tuple[str, ...], bool]
"""The instances of a bid or reservation in node order, and whether it has ended."""

_STREAMS = {
    "stdout": "stdout",
    "stderr": "stderr",
    "startup": "root/var/log/foundry/startup_script.log",
}
_CHUNK = 1 << 20
_LOST = 137
"""The exit code of a script that vanished without a record: as if it had been killed."""


class Access:
    """Access to the machines of bids and reservations, by their id; works after they have ended, until a reset."""

    def __init__(self, home: Path, order: Callable[[str], Order | None]) -> None:
        self._instances = home / "instances"
        self._order = order

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        """The completion record of all nodes together, or None while any node has none.

        The record is what the script left at ``/var/log/flow/completion.json``, else what its exit tells. Of
        several nodes the first with a nonzero code decides; the times span all of them. A script that was
        stopped (by pause, preemption or the end of its bid) before it was done has no record.
        """
        order = self._order(task_id)
        if order is None or not order[0]:
            return None
        records = [_record(self._instances / fid) for fid in order[0]]
        found = [record for record in records if record is not None]
        if len(found) < len(records):
            return None
        decisive = next((record for record in found if record.get("exit_code") != 0), found[0])
        starts = [str(record["started_at"]) for record in found if record.get("started_at")]
        ends = [str(record["ended_at"]) for record in found if record.get("ended_at")]
        return {
            **decisive,
            "started_at": min(starts, default=None),
            "ended_at": max(ends, default=None),
        }

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        """What a node wrote from ``offset`` on (at most 1 MiB) and the next offset; None if no such node.

        ``stream`` is ``stdout``, ``stderr`` or ``startup`` (both, as they came).
        """
        order = self._order(task_id)
        if order is None or not 0 <= node < len(order[0]) or stream not in _STREAMS:
            return None
        path = self._instances / order[0][node] / _STREAMS[stream]
        try:
            with path.open("rb") as file:
                file.seek(max(0, offset))
                found = file.read(_CHUNK)
        except OSError:
            return b"", offset
        return found, max(0, offset) + len(found)


def _record(folder: Path) -> Mapping[str, Any] | None:
    """One node's record, or None."""
    exited = process.read_json(folder / "exit.json")
    path = folder / "root/var/log/flow/completion.json"
    written = process.read_json(path)
    stopped_at = _stopped_at(folder, exited)
    if written is not None and (stopped_at is None or path.stat().st_mtime <= stopped_at):
        return written
    if stopped_at is not None:
        return None
    if exited is not None:
        return {**{key: exited[key] for key in ("exit_code", "started_at", "ended_at")}, "attempt": 1}
    if (folder / "booted").exists() and process.find(folder / "supervisor.json") is None:
        # It may have ended between the two looks.
        exited = process.read_json(folder / "exit.json")
        if exited is None:
            return {"exit_code": _LOST, "started_at": None, "ended_at": None, "attempt": 1}
        return _record(folder)
    return None


def _stopped_at(folder: Path, exited: Mapping[str, Any] | None) -> float | None:
    """When the script was stopped from outside, in seconds; None if it ended by itself or still runs."""
    if exited is not None:
        at = exited.get("stopped_at_s")
        return float(at) if at is not None else None
    try:
        return (folder / "stop").stat().st_mtime
    except OSError:
        return None
