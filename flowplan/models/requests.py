"""What is asked of, and answered by, whoever runs tasks (spec/models.md, 1.9)."""

from __future__ import annotations

from attrs import field

from flowplan.models.enums import TaskStatus
from flowplan.models.model import Model, fact
from flowplan.models.task import Task
from flowplan.models.task_config import TaskConfig
from flowplan.values.classes import define


@define(kw_only=True)
class SubmitTaskRequest(Model):
    """Run a task."""

    config: TaskConfig = field(metadata=fact("The task."))
    wait: bool = field(default=False, metadata=fact("Whether to wait until it is done."))
    dry_run: bool = field(default=False, metadata=fact("Whether only to validate it."))


@define(kw_only=True)
class SubmitTaskResponse(Model):
    """What came of the wish to run a task."""

    task_id: str = field(metadata=fact("Id of the task."))
    status: TaskStatus = field(metadata=fact("Its first state."))
    message: str | None = field(default=None, metadata=fact("More of its state."))


@define(kw_only=True)
class ListTasksRequest(Model):
    """List tasks, a page at a time."""

    status: TaskStatus | None = field(default=None, metadata=fact("Only tasks in this state."))
    limit: int = field(default=100, metadata=fact("Tasks on a page.", minimum=1, maximum=1000))
    offset: int = field(default=0, metadata=fact("Tasks to pass over.", minimum=0))


@define(kw_only=True)
class ListTasksResponse(Model):
    """A page of tasks."""

    tasks: list[Task] = field(metadata=fact("The tasks."))
    total: int = field(metadata=fact("How many there are in all."))
    has_more: bool = field(metadata=fact("Whether another page follows."))
