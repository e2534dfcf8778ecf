"""Commands and shells on a task's instances."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from flowplan.client.background import Background
from flowplan.client.session import Session
from flowplan.models.task import CommandFailed, Task, TaskError


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
        TaskEnded: the task is over and its instances are gone.
        TaskError: the task has no instance now, or its instances offer no shell.
        CommandFailed: the command did not end with 0.
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
    transcript = transcript_of(task.name, session.clock.now()) if record else None
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
        on_terminal(argv, transcript)
    if transcript is not None:
        print(f"Recorded in {transcript}", file=sys.stderr)
    if code != 0:
        raise CommandFailed(
            f"the command on node {place} of task {task.name} ended with exit code {code}", code
        )


def on_terminal(argv: Sequence[str], transcript: Path | None) -> int:
    """Run a program on this terminal and return its exit code, 128 + number for a signal.

    With a transcript, a copy of what it shows goes there. An interrupt is the program's, not ours, while it runs.
    """
    recorder = (
        [] if transcript is None else [sys.executable, "-m", "flowplan.client.recorder", str(transcript)]
    )
    here = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, _leave_alone) if here else None
    try:
        code = subprocess.call([*recorder, *argv])
    finally:
        if here:
            signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _leave_alone(number: int, frame: FrameType | None) -> None:
    """Why no SIG_IGN: that would be inherited by the program."""


def transcript_of(name: str, now: datetime) -> Path:
    """The file in the current folder for what a shell on the task ``name`` shows."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return Path(f"flow-shell-{safe}-{now:%Y%m%dT%H%M%S%f}.log")


def _print(stream: Any, data: bytes) -> None:
    stream.write(data.decode("utf-8", "replace"))
    stream.flush()
