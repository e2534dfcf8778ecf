"""Tasks as the documented models tell of them: a bid, its instances and the completion record in one.

Statuses follow spec/models.md 2.1 (newest column, reduced to TaskStatus), with two things added that a bid
does not say: a completion record makes it completed or failed, and a bid whose instances are still starting is
pending. What bids cost is worked out from their history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import field

from flowplan.models.enums import InstanceStatus, TaskStatus
from flowplan.models.instance import Instance as InstanceModel
from flowplan.models.task import Task
from flowplan.ports import Clock, HistoryEvent, InstanceAccess
from flowplan.provider.mithril.catalogue import Catalogue
from flowplan.provider.mithril.codecs import task_has_ended, task_status
from flowplan.provider.mithril.histories import read_first_run, read_history
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.provider.mithril.wire import Bid
from flowplan.provider.mithril.wire_account import Instance
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.quantity import Money, parse_instant

SSH_USER = "ubuntu"
_CATALOGUE_S = 60.0
_AT_ONCE = 8
_INSTANCE = {
    "RUNNING": InstanceStatus.RUNNING,
    "PREEMPTING": InstanceStatus.RUNNING,
    "RELOCATING": InstanceStatus.RUNNING,
    "STOPPING": InstanceStatus.STOPPED,
    "STOPPED": InstanceStatus.STOPPED,
    "PAUSED": InstanceStatus.STOPPED,
    "PREEMPTED": InstanceStatus.STOPPED,
    "ERROR": InstanceStatus.STOPPED,
    "TERMINATED": InstanceStatus.TERMINATED,
    "REPLACED": InstanceStatus.TERMINATED,
}
_CANDIDATES = {
    TaskStatus.PENDING: {"pending", "running"},
    TaskStatus.RUNNING: {"running"},
    TaskStatus.PAUSED: {"paused"},
    TaskStatus.PREEMPTING: {"preempting"},
    TaskStatus.CANCELLED: {"cancelled"},
}
"""What a bid may read as that makes a task of a status; the others can come of any."""
_WORDS = {
    TaskStatus.PENDING: "waits for capacity at its limit price",
    TaskStatus.RUNNING: "runs",
    TaskStatus.PAUSED: "is paused; its instances are off and its disks are kept",
    TaskStatus.PREEMPTING: "was outbid and is about to lose its instances; it comes back by itself",
    TaskStatus.COMPLETED: "completed: its command ended with exit code 0",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "was cancelled before its command had ended",
}


@frozen
class _Sight:
    """What was learned of one bid."""

    bid: Bid
    instances: Sequence[Instance] = ()
    completion: Mapping[str, Any] | None = None
    unseen: str = ""
    """Why its instances could not be asked, if they could not."""
    events: Sequence[HistoryEvent] | None = None
    runs_since: datetime | None = None
    """When its first instance first ran, where the provider tells."""
    catalogue: Catalogue = field(factory=Catalogue)


class Handles:
    """Reads tasks through a provider; ``access`` is the way to their completion records, None without one.

    ``is_local`` says that the instances are on this machine, where they are entered without SSH.
    """

    def __init__(
        self,
        provider: MithrilProvider,
        access: InstanceAccess | None,
        clock: Clock,
        *,
        is_local: bool = False,
    ) -> None:
        self._provider = provider
        self._access = access
        self._is_local = is_local
        self._clock = clock
        self._records: dict[str, Mapping[str, Any]] = {}
        self._recordless: set[str] = set()
        self._catalogue: tuple[float, Catalogue] | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def task(self, task_id: str) -> Task:
        """See `flowplan.client.market.Tasks.task`."""
        bid = await self._bid(task_id)
        instances: list[Instance] = []
        events: Sequence[HistoryEvent] = []
        runs_since = None
        client = self._provider.client
        if bid.instances:
            project = bid.project or await self._provider.project()
            instances, events, runs_since = await asyncio.gather(
                self._provider.api.instances(project, [bid.fid]),
                read_history(client, Kind.TASK, bid.fid),
                read_first_run(client, project, bid.fid),
            )
        elif task_has_ended(bid.status):
            events = await read_history(client, Kind.TASK, bid.fid)
        completion, unseen = await self._completion(bid)
        known = events if events or not bid.instances else None
        return self._told(_Sight(bid, instances, completion, unseen, known, runs_since, await self._market()))

    async def tasks(self, status: TaskStatus | None, offset: int, limit: int) -> tuple[list[Task], int]:
        """See `flowplan.client.market.Tasks.tasks`; the provider's pages are all followed, to know the total."""
        project = await self._provider.project()
        bids = await self._provider.api.bids(project)
        if status is None:
            return await self._look_at(project, bids[offset : offset + limit]), len(bids)
        possible = _CANDIDATES.get(status)
        wanted = [
            bid for bid in bids if bid.instances or possible is None or task_status(bid.status) in possible
        ]
        if possible is not None:
            wanted = [bid for bid in wanted if task_status(bid.status) in possible]
        found = [task for task in await self._look_at(project, wanted) if task.status is status]
        return found[offset : offset + limit], len(found)

    async def instances(self, task_id: str) -> list[InstanceModel]:
        """See `flowplan.client.market.Tasks.instances`."""
        bid = await self._bid(task_id)
        if not bid.instances and task_status(bid.status) == "pending":
            return []
        project = bid.project or await self._provider.project()
        found = await self._provider.api.instances(project, [bid.fid])
        return [_instance(one, bid) for one in _in_order(bid, found)]

    async def _bid(self, task_id: str) -> Bid:
        bid = await self._provider.api.bid(task_id)
        if bid is None:
            raise FlowplanError(
                Diagnostic.error(
                    f"There is no task {task_id!r}",
                    "A task is known by its id (bid_…), not by its name.",
                    suggestion="list_tasks() shows the tasks of the project.",
                )
            )
        return bid

    async def _look_at(self, project: str, bids: Sequence[Bid]) -> list[Task]:
        """The tasks of these bids: their instances in one listing, their completion records a few at a time."""
        alive = [
            bid.fid for bid in bids if bid.instances and task_status(bid.status) in ("running", "preempting")
        ]
        listed = await self._provider.api.instances(project, alive) if alive else []
        catalogue = await self._market() if bids else Catalogue()
        records = await asyncio.gather(*(self._completion(bid) for bid in bids))
        by_bid: dict[str, list[Instance]] = {}
        for one in listed:
            by_bid.setdefault(one.bid or "", []).append(one)
        return [
            self._told(_Sight(bid, by_bid.get(bid.fid, ()), completion, unseen, None, None, catalogue))
            for bid, (completion, unseen) in zip(bids, records, strict=True)
        ]

    async def _completion(self, bid: Bid) -> tuple[Mapping[str, Any] | None, str]:
        """The completion record of a bid's task, kept once seen; and why there is none, where no one could look."""
        if bid.fid in self._records:
            return self._records[bid.fid], ""
        if self._access is None or not bid.instances or bid.fid in self._recordless:
            return None, ""
        async with self._slots:
            try:
                record = await self._access.completion(bid.fid)
            except FlowplanError as error:
                return None, str(error)
        if record is not None:
            self._records[bid.fid] = dict(record)
        elif task_has_ended(bid.status):
            self._recordless.add(bid.fid)  # what it left, it left before it ended
        return record, ""

    async def _market(self) -> Catalogue:
        """The market, not older than a minute: listing it for every look would be most of the traffic."""
        now = self._clock.monotonic()
        if self._catalogue is None or now - self._catalogue[0] > _CATALOGUE_S:
            types, auctions = await asyncio.gather(
                self._provider.api.instance_types(), self._provider.api.auctions()
            )
            self._catalogue = now, Catalogue.of(types, auctions)
        return self._catalogue[1]

    def _told(self, sight: _Sight) -> Task:
        bid, completion = sight.bid, sight.completion
        nodes = [one for one in _in_order(bid, sight.instances) if one.fid in bid.instances]
        status = _status(bid, nodes, completion)
        outcome = _outcome(sight, status)
        started, ended = _times(sight, status)
        price = _price(sight, status)
        host, port, shell = self._way_in(nodes)
        return Task(
            task_id=bid.fid,
            name=bid.name,
            status=status,
            created_at=parse_instant(bid.created_at),
            started_at=started,
            completed_at=ended,
            instance_created_at=max((parse_instant(one.created_at) for one in nodes), default=None),
            instance_type=sight.catalogue.name_of(bid.instance_type),
            num_instances=bid.instance_quantity,
            region=bid.region or "",
            cost_per_hour=str(price),
            total_cost=self._cost(sight, price),
            created_by=bid.created_by,
            ssh_host=host,
            ssh_port=port,
            ssh_user=SSH_USER,
            shell_command=shell,
            instances=list(bid.instances),
            message=_message(bid, status, nodes, sight, outcome),
            provider_metadata=_metadata(sight, nodes, outcome),
        )

    def _way_in(self, nodes: Sequence[Instance]) -> tuple[str | None, int | None, str | None]:
        """Host, port and whole command for a shell on the first node, as far as they are known.

        A machine of the embedded sandbox has no SSH server: it is on this machine and entered without one.
        """
        destination = nodes[0].ssh_destination if nodes else None
        if destination:
            host, port = split_destination(destination)
            at = f"{SSH_USER}@{host}"
            return host, port, f"ssh -p {port} {at}" if port != 22 else f"ssh {at}"
        is_up = bool(nodes) and _INSTANCE.get(_word(nodes[0])) is InstanceStatus.RUNNING
        if is_up and self._is_local:
            return "localhost", None, None
        return None, 22, None

    def _cost(self, sight: _Sight, price: Money) -> str | None:
        """Hours with instances, times price, times instances; None where the history is not known."""
        if sight.events is None:
            return None
        seconds, since = 0.0, None
        for event in sight.events:
            word, at = event.what.lower(), _instant(event.at)
            if at is None:
                continue
            if word == "allocated" and since is None:
                since = at
            elif word in ("preempted", "paused", "terminated") and since is not None:
                seconds += (at - since).total_seconds()
                since = None
        if since is not None:
            seconds += max(0.0, (self._clock.now() - since).total_seconds())
        return str(Money(round(price.cents * sight.bid.instance_quantity * seconds / 3600)))


def split_destination(text: str) -> tuple[str, int]:
    """Host and port of an ``ssh_destination``: ``host``, ``host:port`` or ``[v6]:port``; 22 where none is said."""
    head, colon, tail = text.rpartition(":")
    if colon and tail.isdigit() and (head.startswith("[") or ":" not in head):
        return head.strip("[]"), int(tail)
    return text.strip("[]"), 22


def _word(instance: Instance) -> str:
    return instance.status.strip().upper().removeprefix("STATUS_")


def _in_order(bid: Bid, found: Iterable[Instance]) -> list[Instance]:
    """Instances by node: the present ones as the bid lists them, then past ones, oldest first."""
    place = {fid: index for index, fid in enumerate(bid.instances)}
    return sorted(found, key=lambda one: (place.get(one.fid, len(place)), one.created_at, one.fid))


def _instance(one: Instance, bid: Bid) -> InstanceModel:
    status = _INSTANCE.get(_word(one), InstanceStatus.PENDING)
    ended = bid.deactivated_at if status is InstanceStatus.TERMINATED else None
    return InstanceModel(
        instance_id=one.fid,
        task_id=bid.fid,
        status=status,
        ssh_host=split_destination(one.ssh_destination)[0] if one.ssh_destination else None,
        private_ip=one.private_ip,
        created_at=parse_instant(one.created_at),
        terminated_at=parse_instant(ended) if ended else None,
    )


def _status(bid: Bid, nodes: Sequence[Instance], completion: Mapping[str, Any] | None) -> TaskStatus:
    if completion is not None:
        return TaskStatus.COMPLETED if completion.get("exit_code") == 0 else TaskStatus.FAILED
    status = TaskStatus(task_status(bid.status))
    if status is TaskStatus.RUNNING and any(
        _INSTANCE.get(_word(one), InstanceStatus.PENDING) is InstanceStatus.PENDING for one in nodes
    ):
        return TaskStatus.PENDING
    return status


def _instant(value: Any) -> datetime | None:
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _times(sight: _Sight, status: TaskStatus) -> tuple[datetime | None, datetime | None]:
    """When it began to run and when it ended, by its own record first."""
    completion = sight.completion or {}
    started = _instant(completion.get("started_at")) or sight.runs_since
    if status in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED):
        return started, _instant(completion.get("ended_at")) or _instant(sight.bid.deactivated_at)
    return started, None


def _price(sight: _Sight, status: TaskStatus) -> Money:
    """An instance-hour's price: the market's while or after it runs, else the limit (spec/models.md 2.1)."""
    bid = sight.bid
    if status in (TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.PREEMPTING):
        for auction in sight.catalogue.auctions:
            if auction.instance_type == bid.instance_type and auction.region == bid.region:
                found = _money(auction.last_instance_price)
                if found is not None:
                    return found
    return _money(bid.limit_price) or Money(0)


def _money(text: str | None) -> Money | None:
    try:
        return Money.parse(text) if text else None
    except ValueError:
        return None


def _outcome(sight: _Sight, status: TaskStatus) -> str | None:
    """What became of a task, in the words of `Task.outcome`; None while it goes on, or where no one can tell."""
    if status in (TaskStatus.COMPLETED, TaskStatus.FAILED):
        return status.value
    words = [event.what.lower() for event in sight.events or ()]
    if status is TaskStatus.CANCELLED and sight.events is not None:
        ends = [event for event in sight.events if event.what.lower() == "terminated"]
        return "cancelled" if any(event.by for event in ends) else "lost"
    turns = [word for word in words if word in ("allocated", "preempted", "paused")]
    if status is TaskStatus.PENDING and turns[-1:] == ["preempted"]:
        return "preempted"
    return None


def _message(
    bid: Bid, status: TaskStatus, nodes: Sequence[Instance], sight: _Sight, outcome: str | None
) -> str:
    words = _WORDS[status]
    if status is TaskStatus.FAILED and sight.completion is not None:
        words = f"failed: its command ended with exit code {sight.completion.get('exit_code')}"
    elif outcome == "lost":
        words = (
            "was ended at the provider before its command had ended, and no one is known to have cancelled it"
        )
    elif outcome == "preempted":
        words = "lost its instances and waits for others at its limit price; it goes on by itself"
    elif status is TaskStatus.PENDING and nodes:
        words = "is starting its instances"
    said = f"{bid.name} {words}."
    return f"{said} Its instances cannot be asked: {sight.unseen}." if sight.unseen else said


def _metadata(sight: _Sight, nodes: Sequence[Instance], outcome: str | None) -> dict[str, Any]:
    bid = sight.bid
    found: dict[str, Any] = {
        "provider": "mithril",
        "bid_id": bid.fid,
        "bid_status": bid.status,
        "project": bid.project,
        "limit_price": bid.limit_price,
        "volumes": list(bid.launch_specification.volumes),
    }
    if nodes:
        found["instance_status"] = nodes[0].status
    if sight.unseen:
        found["unseen"] = sight.unseen
    if outcome is not None:
        found["outcome"] = outcome
    if sight.completion is not None:
        found["completion"] = dict(sight.completion)
    return found
