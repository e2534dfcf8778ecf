"""Commands and shells on a task's instances."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from flowplan.client.background import Background
from flowplan.client.session import Session
from flowplan.models.task import Task, TaskError


def open_shell(
    session: Session,
    background: Background,
    task: Task,
    command: str | None,
    node: int | None,
    progress_context: Any,
    record: bool,
) -> None:
    """Run ``command`` on a node and print what it writes, or without one open a shell there.

    ``progress_context`` is stopped first if it can be (``stop()``), so that it does not draw over the shell.
    With ``record``, all that is written goes into a file in the current folder as well, which is named at the end.

    Raises:
        ValueError: there is no such node.
        TaskError: the task has no instance now, its instances offer no shell, or the command did not end with 0.
        FlowplanError: the instances cannot be reached.
    """
    place = node or 0
    if not task.instances:
        raise TaskError(f"task {task.name} ({task.status.value}) has no instance yet; refresh it later")
    if not 0 <= place < len(task.instances):
        raise ValueError(f"task {task.name} has no node {place}; it has {len(task.instances)}, from 0")
    access = session.remote()
    if callable(stop := getattr(progress_context, "stop", None)):
        stop()
    transcript = _transcript(task, session.clock.now()) if record else None
    if command is not None:
        code, out, err = background.call(access.run(task.task_id, place, command))
        if transcript is not None:
            transcript.write_bytes(f"$ {command}\n".encode() + out + err)
        _print(sys.stdout, out)
        _print(sys.stderr, err)
    else:
        argv = background.call(access.shell_argv(task.task_id, place, None))
        if argv is None:
            raise TaskError(f"task {task.name} ({task.status.value}) offers no shell on node {place} now")
        code = 0  # that of a shell's last command says nothing
        _interactive(argv, transcript)
    if transcript is not None:
        print(f"Recorded in {transcript}", file=sys.stderr)
    if code != 0:
        raise TaskError(f"the command on node {place} of task {task.name} ended with exit code {code}")


def _interactive(argv: Sequence[str], transcript: Path | None) -> None:
    """Run a program on this terminal; with a transcript, a copy of what it shows goes there."""
    recorder = (
        [] if transcript is None else [sys.executable, "-m", "flowplan.client.recorder", str(transcript)]
    )
    subprocess.call([*recorder, *argv])


def _transcript(task: Task, now: datetime) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", task.name)
    return Path(f"flow-shell-{name}-{now:%Y%m%dT%H%M%S%f}.log")


def _print(stream: Any, data: bytes) -> None:
    stream.write(data.decode("utf-8", "replace"))
    stream.flush()
