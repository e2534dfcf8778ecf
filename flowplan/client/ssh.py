"""The way into real instances: output, files, commands and shells over SSH (`ports.RemoteAccess`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.client import remote
from flowplan.launch.record import merge_records
from flowplan.values.diagnostic import Diagnostic, FlowplanError, NotYet

if TYPE_CHECKING:
    import asyncssh

Destination = Callable[[str, int], Awaitable[tuple[str, int, str] | None]]
"""From a task's id and a node to (host, port, user); None without such a node or while it has no address."""
_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.1, 5.0


class SshError(FlowplanError):
    """Something between here and an instance failed."""


class Unreachable(SshError, NotYet):
    """The instance does not answer, or stopped answering."""


class PermissionDenied(SshError):
    """The instance does not know our key."""


class KeyMissing(SshError):
    """There is no private key to log in with, or it cannot be used."""


class HostChanged(SshError):
    """At an instance's address something else answers than before."""


class NoInstance(SshError, NotYet):
    """There is no such node, or it has no address now."""


class SshAccess:
    """Access to the instances of tasks, by task id and node; one connection per instance, kept and used again.

    ``destination`` says where an instance is, ``nodes`` how many a task has (else they are counted until one has no
    address). ``note`` finds the record of a task whose instances are gone. ``key_path`` is the private key; ``key_for`` gives it per task and comes first. A server that does not
    answer yet is tried again for ``patience_s`` seconds; only `completion`, which is asked again anyway, does not
    wait. The host key an instance shows first is remembered as long as this object lives.

    Every method raises `SshError` for what is in its way; `close` must be called at the end, in the same event loop.
    """

    def __init__(
        self,
        destination: Destination,
        key_path: Path | None,
        *,
        nodes: Callable[[str], Awaitable[int]] | None = None,
        key_for: Callable[[str], Awaitable[Path | None]] | None = None,
        note: Callable[[str], Awaitable[Mapping[str, Any] | None]] | None = None,
        patience_s: float = 60.0,
        connect_timeout_s: float = 10.0,
        control: Path | None = None,
    ) -> None:
        self._destination = destination
        self._key_path = key_path
        self._nodes = nodes
        self._key_for = key_for
        self._note = note
        self._patience_s = patience_s
        self._connect_timeout_s = connect_timeout_s
        self._control = control
        self._connections: dict[tuple[str, int], asyncssh.SSHClientConnection] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}
        self._host_keys: dict[tuple[str, int, str, int], bytes] = {}

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        """The completion record of all nodes together; None while a node has none or does not answer.

        Of a task that has ended itself it is the one that it left with the provider.
        """
        count = None if self._nodes is None else await self._nodes(task_id)
        if count is None:
            count = 0
            while await self._destination(task_id, count) is not None:
                count += 1

        async def look(node: int) -> bytes | None:
            try:
                return await self._read(task_id, node, remote.COMPLETION_PATH, 0.0)
            except (Unreachable, NoInstance):
                return None

        found = await asyncio.gather(*(look(node) for node in range(count)), return_exceptions=True)
        for result in found:
            if isinstance(result, BaseException):
                raise result
        return merge_records([text for text in found if not isinstance(text, BaseException)]) or (
            None if self._note is None else await self._note(task_id)
        )

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        """What a node's log holds from ``offset`` on (at most 1 MiB) and the next offset; None if no such node.

        ``stdout`` and ``stderr`` are what a launch script of flowplan keeps, ``startup`` is everything since boot.
        """
        if stream not in remote.LOG_PATHS:
            return None
        try:
            line = remote.log_line(stream, offset)
            code, out, err = await self._run(task_id, node, line, self._patience_s, may_repeat=True)
        except NoInstance:
            return None
        if code != 0:
            raise _failed(f"The {stream} of node {node} of {task_id} cannot be read", code, err)
        return out, max(0, offset) + len(out)

    async def read_file(self, task_id: str, node: int, path: str) -> bytes | None:
        """What a file holds; None if there is no ordinary file at the path, or no such node."""
        try:
            return await self._read(task_id, node, path, self._patience_s)
        except NoInstance:
            return None

    async def run(self, task_id: str, node: int, command: str | Sequence[str]) -> tuple[int, bytes, bytes]:
        """Run a shell line, or a program with its arguments: (exit code, stdout, stderr); its input is empty.

        The code is 128 + number for a signal. A command whose connection is lost is never started twice.
        """
        return await self._run(task_id, node, remote.line_of(command), self._patience_s)

    async def upload(self, task_id: str, node: int, data: bytes, path: str) -> None:
        """Make a file of ``data``, with the folders it needs; whoever reads it sees all of it or what was before.

        Raises:
            SshError: the instance did not take it.
        """
        code, _, err = await self._run(
            task_id, node, remote.write_line(path), self._patience_s, data, may_repeat=True
        )
        if code != 0:
            raise _failed(f"{path} cannot be written on node {node} of {task_id}", code, err)

    async def shell_argv(
        self, task_id: str, node: int, command: str | Sequence[str] | None = None
    ) -> list[str] | None:
        """The arguments of the system's ssh for a shell or a command; None while the node has no address."""
        place = await self._destination(task_id, node)
        if place is None:
            return None
        return remote.ssh_argv(*place, await self._key(task_id), command, self._control)

    async def close(self) -> None:
        """End every connection."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            connection.close()
        await asyncio.gather(
            *(connection.wait_closed() for connection in connections), return_exceptions=True
        )

    async def _read(self, task_id: str, node: int, path: str, patience_s: float) -> bytes | None:
        line = remote.read_line(path)
        code, out, err = await self._run(task_id, node, line, patience_s, may_repeat=True)
        if code == remote.NO_FILE:
            return None
        if 128 < code < 255:
            # Nothing but the end of the machine ends our own line by a signal.
            raise Unreachable(
                Diagnostic.error(
                    f"{path} was not read to its end on node {node} of {task_id}",
                    f"What read it there was ended by signal {code - 128}.",
                    suggestion="The instance may have ended or been preempted; see what became of the task.",
                )
            )
        if code != 0:
            raise _failed(f"{path} cannot be read on node {node} of {task_id}", code, err)
        return out

    async def _run(
        self,
        task_id: str,
        node: int,
        line: str,
        patience_s: float,
        data: bytes = b"",
        may_repeat: bool = False,
    ) -> tuple[int, bytes, bytes]:
        _check_library()
        import asyncssh

        for is_last in (False, True):
            connection = await self._connection(task_id, node, patience_s)
            reason, has_begun = "the connection was lost while it ran", False
            try:
                async with await connection.create_process(line, encoding=None) as process:
                    has_begun = True
                    if not data:
                        process.stdin.write_eof()
                    out, err = await process.communicate(data)
            except (asyncssh.Error, OSError) as error:
                reason = str(error) or reason
            else:
                if process.returncode is not None:
                    code = process.returncode
                    return (code if code >= 0 else 128 - code), out, err
            self._forget(task_id, node, connection)
            if is_last or (has_begun and not may_repeat):
                break
        raise Unreachable(
            Diagnostic.error(
                f"The connection to node {node} of {task_id} was lost",
                f"{reason[:1].upper()}{reason[1:]}.".replace("..", "."),
                suggestion="The instance may have ended or been preempted; see what became of the task.",
            )
        )

    def _forget(self, task_id: str, node: int, connection: asyncssh.SSHClientConnection) -> None:
        if self._connections.get((task_id, node)) is connection:
            del self._connections[task_id, node]
        connection.abort()

    async def _connection(self, task_id: str, node: int, patience_s: float) -> asyncssh.SSHClientConnection:
        at = task_id, node
        async with self._locks.setdefault(at, asyncio.Lock()):
            known = self._connections.get(at)
            if known is not None and not known.is_closed():
                return known
            self._connections.pop(at, None)
            loop = asyncio.get_running_loop()
            deadline, pause = loop.time() + patience_s, _FIRST_PAUSE_S
            while True:
                try:
                    self._connections[at] = found = await self._connect(task_id, node)
                except Unreachable:
                    if loop.time() + pause > deadline:
                        raise
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _MOST_PAUSE_S)
                else:
                    return found

    async def _connect(self, task_id: str, node: int) -> asyncssh.SSHClientConnection:
        import asyncssh

        place = await self._destination(task_id, node)
        if place is None:
            detail = "The task has no such node, or the node has no address yet or any more."
            raise NoInstance(Diagnostic.error(f"Node {node} of {task_id} cannot be reached", detail))
        host, port, user = place
        name = f"Node {node} of {task_id} at {host}:{port}"
        key = await self._load_key(task_id)
        remembered, at = self._host_keys, (task_id, node, host, port)

        class Client(asyncssh.SSHClient):
            """Nobody could tell us an instance's host key beforehand, so the first one is it."""

            def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
                return remembered.setdefault(at, key.public_data) == key.public_data

        try:
            return await asyncssh.connect(
                host,
                port,
                username=user,
                client_factory=Client,
                client_keys=[key],
                known_hosts=([], [], []),
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                gss_host=None,
                connect_timeout=self._connect_timeout_s,
                login_timeout=self._connect_timeout_s,
                keepalive_interval=10,
                keepalive_count_max=3,
            )
        except asyncssh.PermissionDenied as error:
            raise PermissionDenied(
                Diagnostic.error(
                    f"{name} refuses the key {await self._key(task_id)}",
                    f"Its user {user} does not accept it.",
                    suggestion="Set MITHRIL_SSH_KEY to the private half of one of the task's ssh_keys.",
                )
            ) from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise HostChanged(
                Diagnostic.error(
                    f"{name} is not the machine it was",
                    "It shows another host key than it did before, so nothing was sent to it.",
                )
            ) from error
        except (asyncssh.Error, OSError) as error:
            # A time-out has no words of its own.
            reason = str(error) or f"no answer in {self._connect_timeout_s:g} s"
            hint = "It may still be starting, or have ended; see what became of the task."
            raise Unreachable(
                Diagnostic.error(f"{name} cannot be reached", reason, suggestion=hint)
            ) from error

    async def _key(self, task_id: str) -> Path | None:
        found = None if self._key_for is None else await self._key_for(task_id)
        return found or self._key_path

    async def _load_key(self, task_id: str) -> asyncssh.SSHKey:
        import asyncssh

        path = await self._key(task_id)
        hint = "Set MITHRIL_SSH_KEY to the file of the private half of one of the task's ssh_keys."
        if path is None:
            detail = "None of the keys in ~/.ssh is among the task's ssh_keys."
            summary = f"There is no private key to reach {task_id} with"
            raise KeyMissing(Diagnostic.error(summary, detail, suggestion=hint))
        try:
            return asyncssh.read_private_key(path)
        except asyncssh.KeyEncryptionError as error:
            detail = "It is protected by a passphrase, and nobody is asked for one here."
            raise KeyMissing(
                Diagnostic.error(f"The key {path} is locked", detail, suggestion=hint)
            ) from error
        except (OSError, asyncssh.KeyImportError) as error:
            summary = f"The key {path} cannot be used"
            raise KeyMissing(Diagnostic.error(summary, str(error), suggestion=hint)) from error


def _check_library() -> None:
    from importlib.util import find_spec

    if find_spec("asyncssh") is None:
        hint = "Install it with: pip install 'flowplan[ssh]'"
        summary = "Instances are reached over SSH, and the library for it is missing"
        raise SshError(Diagnostic.error(summary, "", suggestion=hint))


def _failed(summary: str, code: int, err: bytes) -> SshError:
    words = err.decode(errors="replace").strip() or f"The instance's shell ended with code {code}."
    return SshError(Diagnostic.error(summary, words))
