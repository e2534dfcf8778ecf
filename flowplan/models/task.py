"""A task that was submitted, as a provider tells of it, and a handle on it while attached (spec/models.md, 1.8)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, Self

import attrs
from attrs import field

from flowplan.models.config import User
from flowplan.models.enums import TaskStatus
from flowplan.models.instance import Instance
from flowplan.models.model import Model, fact
from flowplan.models.task_config import TaskConfig
from flowplan.values.classes import define
from flowplan.values.diagnostic import FlowplanError

TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})
"""The states a task never leaves."""


class TaskError(RuntimeError):
    """Something asked of a task's handle cannot be done; the message says why and what can.

    ``exit_code`` is that of the command that failed, where one did: the task's own, or one that was run on a node.
    """

    exit_code: int | None = None


class UnattachedTask(TaskError):
    """The task is only data: it is attached to no provider that could be asked."""


class TaskTimeout(TaskError, TimeoutError):
    """The time to wait for a task ran out; the task itself goes on. ``task`` is how it was last seen."""

    task: Task | None = None


class TaskEnded(TaskError):
    """The task is over, so it has no instances that could be asked."""


class CommandFailed(TaskError):
    """A command that was run on an instance ended with the nonzero ``exit_code``."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Carry the command's exit code, 128 + number for a signal."""
        super().__init__(message)
        self.exit_code = exit_code


class TaskFailed(TaskError):
    """The task's own program failed; ``error_type``, ``traceback`` and ``exit_code`` are what it left behind."""

    def __init__(
        self,
        message: str,
        error_type: str = "",
        traceback: tuple[str, ...] = (),
        exit_code: int | None = None,
    ) -> None:
        """Carry the program's message, the type of its error, the last lines of its traceback and its exit code."""
        super().__init__("\n".join((message, *traceback)))
        self.error_type = error_type
        self.traceback = traceback
        self.exit_code = exit_code


class TaskProvider(Protocol):
    """What a task's handle asks of whoever runs tasks. Every method may raise `FlowplanError`."""

    def get_task(self, task_id: str) -> Task:
        """The task as it is now."""
        ...

    def stop_task(self, task_id: str) -> Task:
        """End the task and return it as it then is; raises `FlowplanError` when the provider refuses."""
        ...

    def wait_for_task(self, task_id: str, timeout: float | None) -> Task:
        """The task once it is terminal; raises `TaskTimeout` after ``timeout`` seconds (None: never)."""
        ...

    def get_task_instances(self, task_id: str) -> list[Instance]:
        """The task's instances, in the order of their nodes."""
        ...

    def get_task_logs(self, task_id: str, tail: int, log_type: str) -> str:
        """The last ``tail`` lines of ``stdout``, ``stderr``, ``both``, ``startup`` or ``host``."""
        ...

    def stream_task_logs(self, task_id: str, log_type: str) -> Iterator[str]:
        """Lines as they come; ``all`` in place of ``both``."""
        ...

    def get_user(self, user_id: str) -> User:
        """The user with this id."""
        ...

    def get_task_result(self, task_id: str) -> Mapping[str, Any] | None:
        """The result document the task's program left (``/tmp/flow_result.json``), or None without one."""
        ...

    def open_shell(
        self, task: Task, command: str | None, node: int | None, progress_context: Any, record: bool
    ) -> None:
        """A shell on the node (None: the default one), or ``command`` run there."""
        ...


@define(kw_only=True)
class Task(Model):
    """A submitted task. Attached to a provider (`attach`) it is a handle; without one it is data."""

    task_id: str = field(metadata=fact("Id of the task."))
    name: str = field(metadata=fact("Name of the task."))
    status: TaskStatus = field(metadata=fact("Where in its life it is."))
    config: TaskConfig | None = field(default=None, metadata=fact("What was submitted."))
    created_at: datetime = field(metadata=fact("When it was submitted, in UTC."))
    started_at: datetime | None = field(default=None, metadata=fact("When it began to run, in UTC."))
    completed_at: datetime | None = field(default=None, metadata=fact("When it ended, in UTC."))
    instance_created_at: datetime | None = field(
        default=None, metadata=fact("When its present instance was created, in UTC.")
    )
    instance_type: str = field(metadata=fact("Type of instance."))
    num_instances: int = field(metadata=fact("Number of instances."))
    region: str = field(metadata=fact("Region it runs in."))
    cost_per_hour: str = field(metadata=fact("Cost of an hour, as text such as $1.00."))
    total_cost: str | None = field(default=None, metadata=fact("Cost so far."))
    created_by: str | None = field(default=None, metadata=fact("Id of the user who submitted it."))
    ssh_host: str | None = field(default=None, metadata=fact("Host name or address for SSH."))
    ssh_port: int | None = field(default=22, metadata=fact("Port for SSH."))
    ssh_user: str = field(default="ubuntu", metadata=fact("User for SSH."))
    shell_command: str | None = field(default=None, metadata=fact("The whole SSH command."))
    endpoints: dict[str, str] = field(factory=dict, metadata=fact("URLs of what it exposes."))
    instances: list[str] = field(factory=list, metadata=fact("Ids of its instances."))
    message: str | None = field(default=None, metadata=fact("Its state in words."))
    provider_metadata: dict[str, Any] = field(factory=dict, metadata=fact("What else the provider tells."))
    _provider: TaskProvider | None = field(default=None, init=False, eq=False, repr=False)
    _user: User | None = field(default=None, init=False, eq=False, repr=False)

    def attach(self, provider: TaskProvider) -> Self:
        """Make this task a handle that asks ``provider``; returns the task."""
        self._provider = provider
        return self

    @property
    def is_terminal(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.status in TERMINAL

    @property
    def outcome(self) -> str | None:
        """What became of it: completed, failed, cancelled, lost (ended, and not by a person) or preempted; else None.

        TaskStatus has no words for the last two: a lost task reads cancelled, a preempted one pending.
        """
        if self.status in (TaskStatus.COMPLETED, TaskStatus.FAILED):
            return self.status.value
        found = self.provider_metadata.get("outcome")
        return found if isinstance(found, str) else "cancelled" if self.is_terminal else None

    @property
    def exit_code(self) -> int | None:
        """The exit code that its command ended with, where it has ended and that is known."""
        record = self.provider_metadata.get("completion")
        code = record.get("exit_code") if isinstance(record, Mapping) else None
        return code if isinstance(code, int) else None

    @property
    def is_running(self) -> bool:
        """Whether it runs now."""
        return self.status is TaskStatus.RUNNING

    @property
    def has_ssh_access(self) -> bool:
        """Whether both ssh_host and shell_command are known."""
        return bool(self.ssh_host and self.shell_command)

    @property
    def instance_status(self) -> str | None:
        """What the provider says of its instance, if it says anything."""
        found = self.provider_metadata.get("instance_status")
        return found if isinstance(found, str) else None

    @property
    def public_ip(self) -> str | None:
        """ssh_host, where that is an IP address and no name."""
        try:
            return str(ipaddress.ip_address(self.ssh_host or ""))
        except ValueError:
            return None

    def refresh(self) -> None:
        """Read the task again and take over all its fields.

        Raises:
            UnattachedTask: there is no provider to ask.
            FlowplanError: the provider cannot tell.
        """
        self._take_over(self._asked("refresh").get_task(self.task_id))

    def stop(self) -> None:
        """End the task; afterwards ``status`` is what the provider says, not what was hoped for.

        Raises:
            UnattachedTask: there is no provider to ask.
            FlowplanError: the provider refuses.
        """
        self._take_over(self._asked("stop").stop_task(self.task_id))

    def cancel(self) -> None:
        """The same as `stop`."""
        self.stop()

    def wait(self, timeout: float | None = None) -> TaskStatus:
        """Wait until the task is terminal, at most ``timeout`` seconds (None or 0: without limit).

        Returns:
            The final status; a failed task is no error here.

        Raises:
            UnattachedTask: there is no provider to ask.
            TaskTimeout: the time ran out; the task goes on, and ``status`` is what it was at last.
        """
        provider = self._asked("wait")
        if not self.is_terminal:
            try:
                self._take_over(provider.wait_for_task(self.task_id, timeout or None))
            except TaskTimeout as error:
                if error.task is not None:
                    self._take_over(error.task)
                raise
        return self.status

    def logs(
        self,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
    ) -> str | Iterator[str]:
        """The last ``tail`` lines of output, or with ``follow`` the lines as they come.

        ``source`` startup or host gives those logs, both or all (or ``stream`` combined) both streams;
        else ``stderr`` or ``stream`` choose one, and stdout is the default.

        Raises:
            UnattachedTask: there is no provider to ask.
            FlowplanError: the logs cannot be read.
        """
        provider = self._asked("logs")
        log_type = _log_type(follow, stderr, (source or "").lower(), (stream or "").lower())
        if follow:
            return provider.stream_task_logs(self.task_id, log_type)
        return provider.get_task_logs(self.task_id, tail, log_type)

    def get_instances(self) -> list[Instance]:
        """The task's instances, in the order of their nodes.

        Raises:
            UnattachedTask: there is no provider to ask.
            FlowplanError: the provider cannot tell.
        """
        return self._asked("get_instances").get_task_instances(self.task_id)

    def get_user(self) -> User | None:
        """Who submitted the task, asked once; None where no one can tell."""
        if self._user is None and self.created_by and self._provider is not None:
            try:
                self._user = self._provider.get_user(self.created_by)
            except FlowplanError:
                return None
        return self._user

    def result(self) -> Any:
        """What the task's program returned.

        Raises:
            UnattachedTask: there is no provider to ask.
            TaskError: the task has not ended, was cancelled or lost, or left no result.
            TaskFailed: the program failed; with its error and its exit code.
        """
        provider = self._asked("result")
        if not self.is_terminal:
            raise TaskError(
                f"task {self.name} is {self.status.value}; it has a result once it has ended (wait)"
            )
        if self.status is TaskStatus.CANCELLED:
            how = "was lost" if self.outcome == "lost" else "was cancelled"
            raise TaskEnded(f"task {self.name} {how} before its command had ended, so it has no result")
        document = provider.get_task_result(self.task_id)
        if document is None and self.status is TaskStatus.FAILED:
            words = (
                f"its command ended with exit code {self.exit_code}"
                if self.exit_code
                else "its command failed"
            )
            raise TaskFailed(f"task {self.name} left no result: {words}", exit_code=self.exit_code)
        if document is None:
            raise TaskError(f"task {self.name} left no result; its logs may tell why")
        succeeded = document.get("success")
        error = document.get("error")
        if succeeded is False or error is not None or ("error" in document and succeeded is not True):
            lines = str(document.get("traceback") or "").splitlines()[-5:]
            kind = str(document.get("error_type") or "")
            words = f"{kind}: {error}" if kind else str(error or "no reason given")
            raise TaskFailed(f"task {self.name} failed: {words}", kind, tuple(lines), self.exit_code)
        return document.get("result")

    def shell(
        self,
        command: str | None = None,
        node: int | None = None,
        progress_context: Any = None,
        record: bool = False,
    ) -> None:
        """Open a shell on a node, or run ``command`` there; a ``node`` below 0 means the default one.

        Raises:
            UnattachedTask: there is no provider to ask.
            TaskEnded: the task is over and its instances are gone.
            TaskError: the task has no address yet, or none while it is paused.
            CommandFailed: the command ended with another exit code than 0.
            ValueError: there is no such node.
        """
        provider = self._asked("shell")
        if not self.ssh_host:
            raise self._no_way_in()
        if node is not None and node >= max(1, len(self.instances)):
            raise ValueError(
                f"task {self.name} has no node {node}; it has {max(1, len(self.instances))}, from 0"
            )
        place = None if node is None or node < 0 else node
        provider.open_shell(self, command, place, progress_context, record)

    def _no_way_in(self) -> TaskError:
        if self.is_terminal:
            return TaskEnded(f"task {self.name} is over ({self.outcome}) and its instances are gone")
        if self.status is TaskStatus.PAUSED:
            return TaskError(f"task {self.name} is paused, so its instances are off; resume it first")
        if self.outcome == "preempted":
            return TaskError(f"task {self.name} lost its instances and waits for others; refresh it later")
        return TaskError(
            f"task {self.name} ({self.status.value}) has no address for SSH yet; refresh it later"
        )

    def _asked(self, wish: str) -> TaskProvider:
        if self._provider is None:
            raise UnattachedTask(
                f"task {self.name} is attached to no provider, so {wish}() has no one to ask;"
                " get it from a client, or call attach(provider)"
            )
        return self._provider

    def _take_over(self, other: Task) -> None:
        for attribute in attrs.fields(Task):
            if attribute.init:
                setattr(self, attribute.name, getattr(other, attribute.name))


def _log_type(follow: bool, stderr: bool, source: str, stream: str) -> str:
    if source in ("startup", "host"):
        return source
    if source in ("both", "all") or stream == "combined":
        return "all" if follow else "both"
    return "stderr" if stderr else stream or "stdout"
