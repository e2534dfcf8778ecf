"""Where the instances of tasks can be reached, and with which keys: what a way in over SSH has to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.provider.mithril.codecs import task_has_ended
from flowplan.provider.mithril.handles import SSH_USER, split_destination
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.provider.mithril.self_ending import read_note


class Whereabouts:
    """Asks a provider where instances are; nothing is kept, since addresses change with every preemption."""

    def __init__(self, provider: MithrilProvider) -> None:
        self._provider = provider

    async def nodes(self, task_id: str) -> int:
        """How many instances a task has; 0 for one that has none yet or any more, or does not exist.

        Raises:
            FlowplanError: the provider cannot be asked.
        """
        bid = await self._provider.api.bid(task_id)
        return len(bid.instances) if bid is not None and not task_has_ended(bid.status) else 0

    async def destination(self, task_id: str, node: int) -> tuple[str, int, str] | None:
        """Host, port and user of a node; None without such a node or while it has no address.

        Raises:
            FlowplanError: the provider cannot be asked.
        """
        bid = await self._provider.api.bid(task_id)
        if bid is None or task_has_ended(bid.status) or not 0 <= node < len(bid.instances):
            return None
        project = bid.project or await self._provider.project()
        for one in await self._provider.api.instances(project, [task_id]):
            if one.fid == bid.instances[node] and one.ssh_destination:
                return *split_destination(one.ssh_destination), SSH_USER
        return None

    async def note(self, task_id: str) -> Mapping[str, Any] | None:
        """The completion record that a task left before it ended itself; None where there is none.

        Raises:
            FlowplanError: the provider cannot be asked.
        """
        return await read_note(self._provider, task_id)

    async def public_keys(self, task_id: str) -> list[str]:
        """The public keys that a task's instances accept.

        Raises:
            FlowplanError: the provider cannot be asked.
        """
        bid = await self._provider.api.bid(task_id)
        if bid is None:
            return []
        project = bid.project or await self._provider.project()
        known = await self._provider.api.ssh_keys(project)
        return [key.public_key for key in known if key.fid in bid.launch_specification.ssh_keys]
