"""The way into a sandbox's machines: their output and completion records (`ports.InstanceAccess`), files, commands."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flowplan.sandbox import entry, process
from flowplan.sandbox.boots import last_run
from flowplan.sandbox.confined import Root
from flowplan.values.diagnostic import Diagnostic, FlowplanError, NotYet

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
_LIVE = ("STATUS_RUNNING", "STATUS_PREEMPTING")
_LET_GO_S = 3.0
_WRITE = (
    'f="${{FLOW_ROOT:-}}"{path}; mkdir -p -- "${{f%/*}}" && '
    '{{ cat >"$f.$$" && mv -f -- "$f.$$" "$f"; }} || {{ rm -f -- "$f.$$"; exit 1; }}'
)
"""A shell line that makes a file of its standard input."""


class UnknownTask(FlowplanError):
    """The sandbox holds no bid or reservation of that id."""


class UnknownNode(NotYet):
    """The task has no such node."""


class NotRunning(NotYet):
    """The instance has not come up yet, is paused or has ended, so nothing can be run in it."""


class Access:
    """Access to the machines of bids and reservations, by their id; works after they have ended, until a reset."""

    def __init__(
        self,
        home: Path,
        order: Callable[[str], Order | None],
        status: Callable[[str], str | None],
        simulated: Callable[[str], Mapping[str, Any] | None] = lambda _: None,
    ) -> None:
        self._instances = home / "instances"
        self._order = order
        self._status = status
        self._simulated = simulated

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        """The completion record of all nodes together, or None while any node has none.

        The record is what the script left at ``/var/log/flow/completion.json``, else what its exit tells. Of
        several nodes the first with a nonzero code decides; the times span all of them. A script that was
        stopped (by pause, preemption or the end of its bid) before it was done has no record.
        """
        order = self._order(task_id)
        if order is None or not order[0]:
            return None
        records = [self._record(fid) for fid in order[0]]
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

    async def upload(self, task_id: str, node: int, data: bytes, path: str) -> None:
        """Make a file of an instance, with the folders it needs, in one step.

        Raises:
            UnknownTask, UnknownNode, NotRunning: there is no instance to make it in.
            FlowplanError: the instance did not take it.
        """
        code, _, err = await self.run(task_id, node, _WRITE.format(path=shlex.quote(path)), data)
        if code != 0:
            words = err.decode(errors="replace").strip() or f"Its shell ended with code {code}."
            raise FlowplanError(
                Diagnostic.error(f"{path} cannot be written on node {node} of {task_id}", words)
            )

    async def run(
        self, task_id: str, node: int, command: str | Sequence[str], given: bytes | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a command inside an instance and wait for its end: (exit code, stdout, stderr).

        A text is run by the instance's bash, a list as it is; ``given`` is its standard input. The code is 128 + number
        for a signal, 137 if the instance ended meanwhile. Cancelling ends the command.

        Raises:
            UnknownTask, UnknownNode, NotRunning: there is nothing to run it in.
        """
        import asyncio
        from asyncio.subprocess import DEVNULL, PIPE

        argv = await self.argv(task_id, node, command, "apart")
        running = await asyncio.create_subprocess_exec(
            *argv,
            stdin=DEVNULL if given is None else PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={"PATH": os.defpath},
            start_new_session=True,
        )
        try:
            out, err = await running.communicate(given)
        finally:
            if running.returncode is None:
                running.terminate()
                try:
                    await asyncio.wait_for(running.wait(), _LET_GO_S)
                except TimeoutError:
                    running.kill()
                    await running.wait()
        assert running.returncode is not None, "it was waited for"
        return running.returncode, out, err

    async def read_file(self, task_id: str, node: int, path: str) -> bytes | None:
        """What a file of an instance holds, also after the instance ended; None if there is no ordinary file,
        or no such instance.

        Links mean what they mean inside the instance; none leads out of its root. A relative path starts at /root.
        """
        import asyncio

        try:
            fid = self._node(task_id, node)
        except (UnknownTask, UnknownNode):
            return None

        def read() -> bytes | None:
            folder = self._instances / fid
            if self._status(fid) in _LIVE:
                try:
                    with entry.Visit(folder) as visit:
                        return visit.root.read(path)
                except entry.NotThere:
                    pass
            inside = {str(folder / "root"): ""}
            return Root(str(folder / "root"), aliases=inside).read(path)

        return await asyncio.to_thread(read)

    async def shell_argv(
        self, task_id: str, node: int, command: str | Sequence[str] | None = None
    ) -> list[str] | None:
        """The argv of a process of this machine that runs ``command`` inside an instance, in this terminal.

        None as command is a shell for a person. The environment is the startup script's, with the terminal's kind.

        Raises:
            UnknownTask, UnknownNode, NotRunning: there is nothing to run it in.
        """
        return await self.argv(task_id, node, command, "here")

    async def argv(self, task_id: str, node: int, command: str | Sequence[str] | None, way: str) -> list[str]:
        """The same, for a process started in the ``way`` that `entry.arguments` explains."""
        fid = self._node(task_id, node)
        if isinstance(command, Sequence) and not isinstance(command, str) and not command:
            raise FlowplanError(Diagnostic.error("The command is empty", "A list must begin with a program."))
        await self.enter(fid, f"Instance {node} of {task_id}")
        return entry.arguments(self._instances / fid, command, way)

    async def enter(self, fid: str, name: str = "", stay: bool = False) -> entry.Visit:
        """Make sure that an instance can be entered; with ``stay`` the visit lasts until its ``leave``.

        Raises:
            NotRunning: it cannot.
        """
        import asyncio

        name = name or f"Instance {fid}"
        status = self._status(fid)
        if status not in _LIVE:
            state = (status or "STATUS_TERMINATED").removeprefix("STATUS_").lower()
            hint = "Wait until it runs." if state in ("new", "confirmed", "initializing", "starting") else ""
            raise NotRunning(Diagnostic.error(f"{name} is not running", f"It is {state}.", suggestion=hint))
        try:
            visit = await asyncio.to_thread(entry.Visit(self._instances / fid).__enter__)
        except entry.NotThere as reason:
            raise NotRunning(
                Diagnostic.error(f"{name} cannot be entered", f"The reason: {reason}.")
            ) from None
        if not stay:
            visit.leave()
        return visit

    def _record(self, fid: str) -> Mapping[str, Any] | None:
        folder = self._instances / fid
        return _record(folder) if (folder / "spec.json").exists() else self._simulated(fid)

    def _node(self, task_id: str, node: int) -> str:
        order = self._order(task_id)
        if order is None:
            detail = "Neither a bid nor a reservation has that id."
            raise UnknownTask(Diagnostic.error(f"The sandbox has no task {task_id}", detail))
        count = len(order[0])
        if not 0 <= node < count:
            if not count:
                detail = "It has no instances: it has not been allocated yet."
            else:
                detail = "Its only node is 0." if count == 1 else f"Its nodes are 0 to {count - 1}."
            raise UnknownNode(Diagnostic.error(f"{task_id} has no node {node}", detail))
        return order[0][node]


def _record(folder: Path) -> Mapping[str, Any] | None:
    """One node's record, or None."""
    exited = process.read_json(folder / "exit.json")
    path = folder / "root/var/log/flow/completion.json"
    written = process.read_json(path)
    stopped_at = _stopped_at(folder, exited)
    if written is not None and (stopped_at is None or path.stat().st_mtime < stopped_at):
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
    at = None if exited is None else exited.get("stopped_at_s")
    if exited is not None and at is None:
        return None
    mark, ran = process.read_json(folder / "stop"), last_run(folder)
    if mark is not None and ran is not None and int(str(mark["boots"])) < ran:
        return None if at is None else float(at)  # it was stopped before it booted again
    try:
        # Why the file's time: it is compared with that of another file, and files have coarser clocks than programs.
        marked_at = (folder / "stop").stat().st_mtime
    except OSError:
        return None if at is None else float(at)
    return marked_at if at is None else min(marked_at, float(at))
