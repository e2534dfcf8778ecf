"""`Flow`: run tasks, keep volumes and reservations, and look at the market, by plain calls."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowplan.client.attached import AttachedTasks
from flowplan.client.background import Background
from flowplan.client.launching import Launch, prepare, send
from flowplan.client.matching import best_first
from flowplan.client.session import Session
from flowplan.client.submitting import create, delete
from flowplan.client.uploading import drop_uploads, finish_uploads
from flowplan.models import structure, unstructure
from flowplan.models.config import Project, User, ValidationResult
from flowplan.models.enums import TaskStatus
from flowplan.models.hardware import InstanceMatch
from flowplan.models.instance import AvailableInstance
from flowplan.models.requests import (
    ListTasksRequest,
    ListTasksResponse,
    SubmitTaskRequest,
    SubmitTaskResponse,
)
from flowplan.models.reservation import Reservation, ReservationSpec
from flowplan.models.task import Task
from flowplan.models.task_config import TaskConfig
from flowplan.models.volume import Volume, VolumeSpec
from flowplan.ports import Observed
from flowplan.resources import Settings, kind_of
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.quantity import Money, parse_instant

Opening = Callable[[], AbstractAsyncContextManager[Session]]


class Flow:
    """One project of one provider, open until `close` or the end of its ``with`` block.

    Make one with `flowplan.connect`. All methods are plain calls, usable from any thread. What a user, a
    configuration or the provider did wrong is raised as `FlowplanError`, whose diagnostics say what would be right.
    """

    def __init__(self, opening: Opening) -> None:
        """Open what ``opening`` makes; its context is entered and left in a thread of this Flow."""
        self._background = Background()
        self._stack = AsyncExitStack()
        try:
            self._session = self._background.call(self._stack.enter_async_context(opening()))
        except BaseException:
            self._background.close()
            raise
        self._tasks = AttachedTasks(self._session, self._background)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(finish_uploads if error is None else drop_uploads)

    def close(self) -> None:
        """Close the connections; tasks run on. Closing twice is nothing.

        Code that is being copied to running instances is copied to the end first; see `TaskConfig.upload_strategy`.
        """
        self._close(finish_uploads)

    def _close(self, settle: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        if self._background.is_closed:
            return
        try:
            self._background.call(settle(self._session))
        finally:
            try:
                self._background.call(self._stack.aclose())
            finally:
                self._background.close()

    # -- tasks

    def run(self, task: TaskConfig | SubmitTaskRequest | str | os.PathLike[str], wait: bool = False) -> Task:
        """Submit a task, or the one in a YAML file, and return its handle; with ``wait`` once it has ended.

        Raises:
            Invalid: the file holds no valid task.
            ValueError: the request is a dry run, which makes no task; use `submit`.
            FlowplanError: the file cannot be read, the provider refused, or (exit code 9) no one can tell whether
                the task was made. Nothing is ever sent twice.
        """
        request = task if isinstance(task, SubmitTaskRequest) else SubmitTaskRequest(config=_config(task))
        if request.dry_run:
            raise ValueError("a dry run makes no task to return; use submit(request)")

        async def go() -> Task:
            observed = await send(self._session, await prepare(self._session, request.config))
            try:
                made = await self._tasks.read(observed.id)
            except FlowplanError:
                made = self._tasks.attached(_as_made(observed))  # it is made; its handle must not be lost
            if wait or request.wait:
                made = await self._tasks.ended(observed.id, None)
            return made

        return self._background.call(go())

    def submit(self, request: SubmitTaskRequest) -> SubmitTaskResponse:
        """Submit a task. A dry run checks it against the provider by reading only, and its ``task_id`` is empty.

        Raises:
            FlowplanError: as for `run`; a dry run with everything that was found.
        """
        if request.dry_run:
            launch = self._background.call(prepare(self._session, request.config))
            return SubmitTaskResponse(task_id="", status=TaskStatus.PENDING, message=_words(launch))
        task = self.run(request)
        return SubmitTaskResponse(task_id=task.task_id, status=task.status, message=task.message)

    def get_task(self, task_id: str) -> Task:
        """The task with this id.

        Raises:
            FlowplanError: there is none, or it cannot be read.
        """
        return self._background.call(self._tasks.read(task_id))

    def list_tasks(self, request: ListTasksRequest | None = None) -> ListTasksResponse:
        """A page of the project's tasks, newest first; `total` counts all that have the wanted status.

        A listed task's ``total_cost`` is None; `get_task` works it out.
        """
        asked = request if request is not None else ListTasksRequest()

        async def go() -> ListTasksResponse:
            found, total = await self._session.tasks.tasks(asked.status, asked.offset, asked.limit)
            tasks = [self._tasks.attached(task) for task in found]
            return ListTasksResponse(tasks=tasks, total=total, has_more=asked.offset + len(tasks) < total)

        return self._background.call(go())

    # -- storage and reservations

    def volumes(self) -> list[Volume]:
        """The volumes of the project."""
        return self._background.call(self._session.market.volumes())

    def create_volume(self, spec: VolumeSpec, region: str | None = None) -> Volume:
        """Create a volume in ``region``, or the region of this Flow; one without a name is given one.

        Raises:
            FlowplanError: it names an existing one, the name is taken, the provider refused, or (exit code 9) no one
                can tell whether it was made.
        """
        spec.check()
        if spec.volume_id:
            raise FlowplanError(
                Diagnostic.error(
                    f"volume {spec.volume_id} exists already",
                    suggestion="Leave volume_id out to create a new volume.",
                )
            )
        name = spec.name or f"flow-volume-{secrets.token_hex(4)}"
        body = {**unstructure(spec), "name": name}

        async def go() -> Volume:
            known = await self._session.market.volumes()
            if taken := next((one for one in known if one.name == name), None):
                raise FlowplanError(
                    Diagnostic.error(
                        f"a volume named {name!r} exists already: {taken.volume_id}",
                        "Names of volumes are unique in a project.",
                        suggestion="Choose another name, or use that volume by its id.",
                    )
                )
            targets = kind_of(Kind.VOLUME).targets(body, Settings(region or self._session.region))
            observed = await create(self._session, Kind.VOLUME, targets)
            return Volume(
                volume_id=observed.id,
                name=observed.name,
                size_gb=observed.attributes.get("size_gb"),
                region=observed.attributes.get("region"),
                interface=spec.interface,
                created_at=observed.created_at,
            )

        return self._background.call(go())

    def delete_volume(self, volume: Volume | str) -> None:
        """Delete a volume and all data on it; one that is gone already is fine.

        Raises:
            FlowplanError: it is in use, or the provider refused.
        """
        volume_id = volume.volume_id if isinstance(volume, Volume) else volume
        if not volume_id:
            raise ValueError("the volume has no id")
        self._background.call(delete(self._session, Kind.VOLUME, volume_id))

    def reservations(self) -> list[Reservation]:
        """The reservations of the project, newest first."""
        return self._background.call(self._session.market.reservations())

    def create_reservation(self, spec: ReservationSpec) -> Reservation:
        """Buy a reservation. It is paid in full at once and cannot be cancelled.

        Raises:
            FlowplanError: the provider refused, or (exit code 9) no one can tell whether it was bought.
        """
        spec.check()
        body = unstructure(spec)
        body["name"] = spec.name or f"reservation-{secrets.token_hex(4)}"

        async def go() -> Reservation:
            project = await self._session.provider.project()
            if spec.project_id not in (None, project):
                raise FlowplanError(
                    Diagnostic.error(
                        f"the reservation names project {spec.project_id}, and this connection is to {project}",
                        suggestion="Leave project_id out, or connect to that project.",
                    )
                )
            targets = kind_of(Kind.RESERVATION).targets(body, Settings(self._session.region))
            observed = await create(self._session, Kind.RESERVATION, targets)
            for found in await self._session.market.reservations():
                if found.reservation_id == observed.id:
                    return found
            seen = observed.attributes
            given = {
                key: seen[key] for key in ("status", "start_time_utc", "end_time_utc", "price_total_usd")
            }
            return structure(
                Reservation,
                {
                    **given,
                    "reservation_id": observed.id,
                    "name": observed.name,
                    "instance_type": spec.instance_type,
                    "region": spec.region,
                    "quantity": spec.quantity,
                },
            )

        return self._background.call(go())

    # -- market and account

    def find_instances(
        self,
        instance_type: str | None = None,
        min_gpu_memory_gb: int | None = None,
        region: str | None = None,
        max_price_per_hour: float | None = None,
        available_only: bool = True,
    ) -> list[InstanceMatch]:
        """Offers of GPU instances that fit, best first; `flowplan.client.matching.score` explains ``match_score``.

        ``min_gpu_memory_gb`` is per GPU, ``max_price_per_hour`` in dollars per instance.
        """
        offers = self._background.call(self._session.market.matches(instance_type))
        return best_first(offers, min_gpu_memory_gb, region, max_price_per_hour, available_only)

    def available_instances(self) -> list[AvailableInstance]:
        """Everything on offer that has a price and is free now, cheapest first."""
        offers = self._background.call(self._session.market.available())
        free = [offer for offer in offers if offer.available_quantity is None or offer.available_quantity > 0]
        return sorted(free, key=lambda offer: (offer.price_per_hour, offer.instance_type, offer.region))

    def validate(self) -> ValidationResult:
        """Whether the settings work: the key is taken, and the project is one that it may use. Never raises for them."""

        async def go() -> ValidationResult:
            projects: list[Project] = []
            try:
                projects = await self._session.market.projects()
                await self._session.provider.project()
            except FlowplanError as error:
                words = " ".join(f"{d.summary}. {d.suggestion}".strip() for d in error.diagnostics)
                return ValidationResult(is_valid=False, projects=projects, error_message=words)
            return ValidationResult(is_valid=True, projects=projects)

        return self._background.call(go())

    def user(self) -> User:
        """Whose key it is."""
        return self._background.call(self._session.market.user(None))

    def projects(self) -> list[Project]:
        """The projects the key may use."""
        return self._background.call(self._session.market.projects())


def _config(task: TaskConfig | str | os.PathLike[str]) -> TaskConfig:
    if isinstance(task, TaskConfig):
        return task
    try:
        return TaskConfig.from_yaml(Path(task))
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(
                f"The task file {os.fspath(task)} cannot be read",
                f"{error.strerror or type(error).__name__}.",
            )
        ) from None


def _words(launch: Launch) -> str:
    return " ".join(
        ["Valid. It would submit", launch.summary, *(f"{one.summary}." for one in launch.warnings)]
    )


def _as_made(observed: Observed) -> Task:
    """The task as the answer to its creation showed it."""
    seen: dict[str, Any] = dict(observed.attributes)
    return Task(
        task_id=observed.id,
        name=observed.name,
        status=TaskStatus(seen.get("status") or "pending"),
        created_at=observed.created_at or parse_instant(str(seen["created_at"])),
        instance_type=str(seen.get("instance_type") or ""),
        num_instances=int(seen.get("num_instances") or 1),
        region=str(seen.get("region") or ""),
        cost_per_hour=str(Money.of_dollars(seen.get("limit_price") or 0)),
        instances=list(seen.get("instances") or ()),
    )
