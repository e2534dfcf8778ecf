"""The ways into a task's instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


class InstanceAccess(Protocol):
    """Reading from a task's instances: its output and its completion record."""

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        """The completion record (``exit_code``, ``started_at``, ``ended_at``) or None while there is none."""
        ...

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        """What ``stdout``/``stderr`` of a node holds from ``offset`` on, and the next offset; None if no node."""
        ...


@runtime_checkable
class RemoteAccess(InstanceAccess, Protocol):
    """Besides reading its output: files, commands and shells on a task's instances, by node number from 0.

    The methods may raise `FlowplanError` where a node is there and cannot be reached.
    """

    async def read_file(self, task_id: str, node: int, path: str) -> bytes | None:
        """What the file at the absolute ``path`` holds; None if there is no such file or node."""
        ...

    async def upload(self, task_id: str, node: int, data: bytes, path: str) -> None:
        """Make a file at the absolute ``path``, whole or not at all.

        Raises:
            NotYet: there is no such node, it does not run, or it does not answer.
        """
        ...

    async def run(self, task_id: str, node: int, command: str | Sequence[str]) -> tuple[int, bytes, bytes]:
        """Run a shell line, or a program with its arguments; its exit code, output and error output."""
        ...

    async def shell_argv(self, task_id: str, node: int, command: str | None) -> list[str] | None:
        """The local program that opens a shell there, or runs ``command`` with a terminal; None without a way in."""
        ...
