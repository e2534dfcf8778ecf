"""A task's output: its last lines, or its lines as they come (spec/models.md, 1.8 and 2.8)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from flowplan.client.session import Session, pauses
from flowplan.models.task import Task, TaskEnded, TaskError

STREAMS = {
    "stdout": "stdout",
    "stderr": "stderr",
    "both": "startup",
    "all": "startup",
    "startup": "startup",
    "host": "startup",
}
"""The stream of an instance that each documented log type reads; ``startup`` holds both streams as they came."""
_SSH_LOG = "/var/log/foundry/flow_ssh.log"
_LOOK_AGAIN_S = 1.0
"""How long a followed task that writes nothing is not asked whether it lives."""


def stream_of(log_type: str) -> str:
    """The stream that a log type reads.

    Raises:
        ValueError: there is no such log type.
    """
    if log_type not in STREAMS:
        raise ValueError(f"there is no log {log_type!r}; there are stdout, stderr, both, startup and host")
    return STREAMS[log_type]


async def last_lines(session: Session, task: Task, tail: int | None, log_type: str, node: int = 0) -> str:
    """The last ``tail`` lines of a node (None: all); "" where it runs and has written nothing yet.

    Raises:
        ValueError: ``tail`` is negative, or there is no such log type.
        TaskEnded: the task is over, and its instances are gone or never were.
        TaskError: no instance of the task has run yet.
        FlowplanError: the instance cannot be reached.
    """
    stream = stream_of(log_type)
    if tail is not None and tail < 0:
        raise ValueError(f"tail must be at least 0, not {tail}")
    access = session.reading()
    lines: deque[bytes] = deque(maxlen=tail)
    if log_type == "host":
        document = await session.remote().read_file(task.task_id, node, _SSH_LOG)
        lines.extend((document or b"").splitlines(keepends=True))
    offset, rest = 0, b""
    while True:
        piece = await access.log(task.task_id, node, stream, offset)
        if piece is None:
            if offset or lines:
                break
            raise _nothing(task)
        if not piece[0]:
            break
        offset = piece[1]
        whole = (rest + piece[0]).splitlines(keepends=True)
        rest = whole.pop() if not whole[-1].endswith(b"\n") else b""
        lines.extend(whole)
    if rest:
        lines.append(rest)
    return b"".join(lines).decode("utf-8", "replace")


async def follow(
    session: Session, task: Task, log_type: str, node: int = 0, tail: int | None = None
) -> AsyncIterator[str]:
    """Lines without their ends, as they come, until the task has ended; waits for one that does not run yet.

    With ``tail``, only that many of the lines that are there at first.

    Raises:
        ValueError: there is no such log type.
        TaskEnded: the task ended and no instance of it had ever run.
        FlowplanError: the instance cannot be reached.
    """
    stream, access = stream_of(log_type), session.reading()
    offset, rest, pause, looked = 0, b"", pauses(), -_LOOK_AGAIN_S
    has_ended, is_there = False, False
    held: deque[str] | None = None if tail is None else deque(maxlen=tail)
    while True:
        now = session.clock.monotonic()
        if not has_ended and now - looked >= _LOOK_AGAIN_S:
            task, looked = await session.tasks.task(task.task_id), now
        # Whether it has ended is asked before reading, so that what it wrote last is read as well.
        has_ended = task.is_terminal or await access.completion(task.task_id) is not None
        piece = await access.log(task.task_id, node, stream, offset)
        if piece is not None:
            is_there = True
        if piece is not None and piece[0]:
            offset, pause = piece[1], pauses()
            *whole, rest = (rest + piece[0]).split(b"\n")
            for line in whole:
                text = line.decode("utf-8", "replace")
                if held is None:
                    yield text
                else:
                    held.append(text)
            continue
        if held is not None and piece is not None:
            if has_ended and rest:  # then the last line that is there has no end
                held.append(rest.decode("utf-8", "replace"))
                rest = b""
            for text in held:
                yield text
            held = None
        if has_ended:
            break
        await session.clock.sleep(pause())
    if rest:
        yield rest.decode("utf-8", "replace")
    if not is_there:
        raise _nothing(task)


def _nothing(task: Task) -> TaskError:
    if task.is_terminal and not task.instances:
        return TaskEnded(f"task {task.name} was {task.outcome} before it ran, so it has no logs")
    if task.is_terminal:
        return TaskEnded(f"task {task.name} ({task.outcome}) has no logs any more: its instances are gone")
    return TaskError(
        f"task {task.name} is {task.status.value} and has no instance yet; logs(follow=True) waits for one"
    )
