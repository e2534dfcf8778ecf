"""The provider behind task handles: `flowplan.models.task.TaskProvider` over asynchronous ports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any

from flowplan.client import logs
from flowplan.client.background import Background
from flowplan.client.launching import revoke
from flowplan.client.session import Session, pauses
from flowplan.client.shell import open_shell
from flowplan.client.submitting import delete
from flowplan.client.uploading import late_code
from flowplan.models import unstructure
from flowplan.models.config import User
from flowplan.models.enums import TaskStatus
from flowplan.models.instance import Instance
from flowplan.models.task import Task, TaskEnded, TaskError, TaskTimeout
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError

RESULT_PATH = "/tmp/flow_result.json"  # noqa: S108 - where the documented models look on the instance
_END = object()


class AttachedTasks:
    """Answers task handles with plain calls; see `flowplan.models.task.TaskProvider`."""

    def __init__(self, session: Session, background: Background) -> None:
        self._session = session
        self._background = background

    # -- asynchronous, for the inside of the client

    async def read(self, task_id: str) -> Task:
        """The task as it is now, attached."""
        task = self.attached(await self._session.tasks.task(task_id))
        if task.is_terminal and not _is_live(task):
            await self._revoke(task)  # what ended it from its instance may have been cut off before it could
        return task

    def attached(self, task: Task) -> Task:
        """A task that was read, as a handle: with its configuration, if it was submitted here, and its endpoints."""
        config = self._session.configs.get(task.task_id)
        if config is not None:
            task.config = config
            if task.ssh_host:
                task.endpoints = {str(port): f"http://{task.ssh_host}:{port}" for port in config.ports}
        if task.outcome == "lost" and task.task_id in self._session.cancelled:
            # Not every provider tells who ended a bid; this one was ended here.
            task.provider_metadata["outcome"] = "cancelled"
            task.message = f"{task.name} was cancelled before its command had ended."
        if (why := late_code(self._session, task.task_id)) and not task.is_terminal:
            task.message = f"{task.message or ''} {why}".strip()
        return task.attach(self)

    async def ended(self, task_id: str, timeout: float | None) -> Task:
        """The task once it is terminal; see `wait_for_task`."""
        clock = self._session.clock
        deadline = None if timeout is None else clock.monotonic() + timeout
        pause = pauses()
        while True:
            task = await self.read(task_id)
            if task.is_terminal:
                return await self._released(task)
            self._refuse_unseen_end(task)
            wait = pause()
            if deadline is not None:
                left = deadline - clock.monotonic()
                if left <= 0:
                    late = TaskTimeout(
                        f"task {task.name} is {task.status.value} after {timeout:g} seconds; it goes on"
                    )
                    late.task = task
                    raise late
                wait = min(wait, left)
            await clock.sleep(wait)

    def _refuse_unseen_end(self, task: Task) -> None:
        """Refuse to wait for an end that no one could see: that a task has completed is written on its instances."""
        why = task.provider_metadata.get("unseen")
        if self._session.access is None:
            why = "they cannot be reached without pip install 'flowplan[ssh]'"
        if why and task.status is TaskStatus.RUNNING:
            raise FlowplanError(
                Diagnostic.error(
                    f"No one can see when task {task.name} completes",
                    f"That is written on its instances, and: {why}. The task goes on.",
                    suggestion="Make its instances reachable over SSH (MITHRIL_SSH_KEY), then wait again.",
                )
            )

    async def _released(self, task: Task) -> Task:
        """End the instances of a task that wants them ended with it, where it could not do so itself."""
        is_out_of_time = bool((task.provider_metadata.get("completion") or {}).get("timed_out"))
        wants_it = task.config is not None and (task.config.terminate_on_exit or is_out_of_time)
        if not wants_it or not _is_live(task):
            return task
        await self._end(task)
        return await self.read(task.task_id)

    async def _end(self, task: Task) -> None:
        """End a task's bid, and revoke the key that it may have had to do that itself."""
        await delete(self._session, Kind.TASK, task.task_id)
        await self._revoke(task)

    async def _revoke(self, task: Task) -> None:
        config = self._session.configs.get(task.task_id)
        if config is not None and task.task_id not in self._session.revoked:
            self._session.revoked.add(task.task_id)
            await revoke(self._session, unstructure(config), task.name)

    async def stopped(self, task_id: str) -> Task:
        """The task after it was ended."""
        # A completion is learned of before the instances are gone.
        task = await self._session.tasks.task(task_id)
        if (copying := self._session.uploads.pop(task_id, None)) is not None:
            copying.cancel()
        if task.outcome not in ("cancelled", "lost"):
            await self._end(task)
            self._session.cancelled.add(task_id)
        return await self.read(task_id)

    async def _result(self, task_id: str) -> Mapping[str, Any] | None:
        data = await self._session.remote().read_file(task_id, 0, RESULT_PATH)
        if data is None and not _is_live(task := await self.read(task_id)) and task.ssh_host is None:
            raise TaskEnded(
                f"task {task.name} has ended and its instances are gone, and its result with them; "
                "have it written to a volume, or leave terminate_on_exit out"
            )
        if data is None:
            return None
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise TaskError(f"{RESULT_PATH} on the instance is not valid JSON") from None
        if not isinstance(document, dict):
            raise TaskError(f"{RESULT_PATH} on the instance should hold an object with success and result")
        return document

    # -- plain calls, for handles

    def get_task(self, task_id: str) -> Task:
        """See `TaskProvider.get_task`."""
        return self._background.call(self.read(task_id))

    def stop_task(self, task_id: str) -> Task:
        """See `TaskProvider.stop_task`; a task that had completed stays completed."""
        return self._background.call(self.stopped(task_id))

    def wait_for_task(self, task_id: str, timeout: float | None) -> Task:
        """See `TaskProvider.wait_for_task`."""
        return self._background.call(self.ended(task_id, timeout))

    def get_task_instances(self, task_id: str) -> list[Instance]:
        """See `TaskProvider.get_task_instances`."""
        return self._background.call(self._session.tasks.instances(task_id))

    def get_task_logs(self, task_id: str, tail: int, log_type: str) -> str:
        """See `TaskProvider.get_task_logs`."""

        async def go() -> str:
            return await logs.last_lines(self._session, await self.read(task_id), tail, log_type)

        return self._background.call(go())

    def stream_task_logs(self, task_id: str, log_type: str) -> Iterator[str]:
        """See `TaskProvider.stream_task_logs`."""
        logs.stream_of(log_type)
        return self._stream(task_id, log_type)

    def _stream(self, task_id: str, log_type: str) -> Iterator[str]:
        lines = logs.follow(self._session, self.get_task(task_id), log_type)
        try:
            while (line := self._background.call(_next(lines))) is not _END:
                yield str(line)
        finally:
            with suppress(FlowplanError):
                self._background.call(_close(lines))

    def get_user(self, user_id: str) -> User:
        """See `TaskProvider.get_user`."""
        return self._background.call(self._session.market.user(user_id))

    def get_task_result(self, task_id: str) -> Mapping[str, Any] | None:
        """See `TaskProvider.get_task_result`."""
        return self._background.call(self._result(task_id))

    def open_shell(
        self, task: Task, command: str | None, node: int | None, progress_context: Any, record: bool
    ) -> None:
        """See `TaskProvider.open_shell`, and `flowplan.client.shell.open_shell`."""
        open_shell(self._session, self._background, task, command, node, progress_context, record)


def _is_live(task: Task) -> bool:
    """Whether its bid has not been terminated."""
    return str(task.provider_metadata.get("bid_status", "")).lower() != "terminated"


async def _next(lines: AsyncIterator[str]) -> object:
    return await anext(lines, _END)


async def _close(lines: AsyncIterator[str]) -> None:
    close = getattr(lines, "aclose", None)
    if close is not None:
        await close()
