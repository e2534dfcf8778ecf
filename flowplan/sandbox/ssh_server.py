"""The SSH server of a served sandbox: an address of its own on this machine for each running instance."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from flowplan.sandbox import credentials
from flowplan.sandbox.access import NotRunning
from flowplan.sandbox.confined import Root
from flowplan.sandbox.entry import Visit
from flowplan.sandbox.session import attend
from flowplan.sandbox.sftp import serve_files
from flowplan.sandbox.world.records import Instance
from flowplan.values.diagnostic import FlowplanError

if TYPE_CHECKING:
    import asyncssh

    from flowplan.sandbox.sandbox import Sandbox

USER = "ubuntu"
"""The only user (provider.md 2.2)."""
_LIVE = ("STATUS_RUNNING", "STATUS_PREEMPTING")
_LOOK_S = 0.2
_CLOSES_S = 2.0
_ROUNDS = 5


class SshServer:
    """Listens for every instance that someone has asked the address of, until it ends.

    An instance listens on its private address, which is one of 127.0.0.0/8, all on one port; where the system has
    only 127.0.0.1 the ports differ. Made inside the running event loop.

    Raises:
        FlowplanError: the sandbox's keys cannot be made or read.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._host_key = credentials.host_key(sandbox.home)
        self._loop = asyncio.get_running_loop()
        self._port = 0
        self._closed = False
        self._doors: dict[str, _Door] = {}
        sandbox.open_ssh(*credentials.user_key(sandbox.home), self._destination)
        self._watch = asyncio.create_task(self._close_ended())

    async def close(self) -> None:
        """Close every connection and address."""
        self._closed = True
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        for fid in list(self._doors):
            await self._doors.pop(fid).close()

    def _destination(self, instance: Instance) -> str | None:
        """The address of an instance that runs; from now on it listens."""
        door = self._doors.get(instance.fid)
        if door is None:
            if self._closed:
                return None
            listener = self._listen(instance.private_ip)
            if listener is None:
                return None
            door = self._doors[instance.fid] = _Door(self._sandbox, instance.fid, listener, self._host_key)
            # Whoever connects before the server takes the socket over is kept waiting by the system.
            self._loop.call_soon_threadsafe(door.open)
        return door.address

    def _listen(self, ip: str) -> socket.socket | None:
        for host, port in ((ip, self._port), (ip, 0), ("127.0.0.1", 0)):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port))
                listener.listen(128)
            except OSError:
                listener.close()
                continue
            self._port = self._port or listener.getsockname()[1]
            return listener
        return None

    async def _close_ended(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._doors:
                continue
            with contextlib.suppress(FlowplanError):
                states = self._sandbox.instances()
                for fid in [fid for fid in self._doors if states.get(fid) not in _LIVE]:
                    # Why: whoever ends this look in the midst of it must still find the door, and close it.
                    await self._doors[fid].close()
                    del self._doors[fid]


class _Door:
    """The listening socket of one instance and the connections through it."""

    def __init__(
        self, sandbox: Sandbox, fid: str, listener: socket.socket, host_key: asyncssh.SSHKey
    ) -> None:
        self.sandbox = sandbox
        self.fid = fid
        self.folder: Path = sandbox.home / "instances" / fid
        host, port = listener.getsockname()
        self.address = f"{host}:{port}"
        self.connections: set[asyncssh.SSHServerConnection] = set()
        # What is gone for SSH may still have words for a peer that does not read: it holds its socket until it is cut.
        self.transports: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._closed = False
        self._listener = listener
        self._host_key = host_key
        self._server: asyncssh.SSHAcceptor | None = None
        self._opening: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to answer."""
        if self._closed:
            return
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        import asyncssh

        async def serve(session: asyncssh.SSHServerProcess[bytes]) -> None:
            try:
                await self.sandbox.access.enter(self.fid)
            except NotRunning:
                # As a machine does that was switched off: no exit code, the connection is gone.
                session.channel.get_connection().abort()
                return
            await attend(session, self.folder)

        def files(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
            visit: Visit | None = channel.get_extra_info("visit")
            return serve_files(channel, visit.root if visit is not None else Root(str(self.folder / "root")))

        self._server = await asyncssh.listen(
            sock=self._listener,
            server_host_keys=[self._host_key],
            server_factory=lambda: _guard(self),
            process_factory=serve,
            sftp_factory=files,
            allow_scp=True,
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
        )

    async def close(self) -> None:
        """Stop listening and end the connections."""
        self._closed = True
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._server is not None and self._listener.fileno() >= 0:  # it may have been closed once already
            # Why first: a connection that was accepted a moment ago is not among ours before the loop has come round,
            # and one whose server is closed meanwhile is left half made, its socket open, by asyncio.
            asyncio.get_running_loop().remove_reader(self._listener)
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
        while self.connections:
            connections = list(self.connections)
            for connection in connections:
                connection.close()
            ends = [asyncio.ensure_future(connection.wait_closed()) for connection in connections]
            for late in (await asyncio.wait(ends, timeout=_CLOSES_S))[1]:
                late.cancel()
            for connection in connections:
                if connection in self.connections:
                    connection.abort()
                    self.connections.discard(connection)
        if self._server is not None:
            await self._server.wait_closed()
        for transport in list(self.transports):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        self._listener.close()


def _guard(door: _Door) -> asyncssh.SSHServer:
    """Who may come through a door: the user with a key of the instance's launch specification."""
    import asyncssh

    class Guard(asyncssh.SSHServer):
        """One connection. While it lasts the instance's surroundings do."""

        def __init__(self) -> None:
            self._connection: asyncssh.SSHServerConnection | None = None
            self._visit: Visit | None = None

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn
            door.connections.add(conn)
            if conn._transport is not None:
                door.transports.add(conn._transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._connection is not None:
                door.connections.discard(self._connection)
            self._connection = None
            self._leave()

        def begin_auth(self, username: str) -> bool:
            return True

        def public_key_auth_supported(self) -> bool:
            return True

        async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            given = key.export_public_key().split()[:2]
            known = [text.encode().split()[:2] for text in door.sandbox.public_keys(door.fid)]
            if username != USER or given not in known:
                return False
            if self._visit is None:
                with contextlib.suppress(NotRunning):
                    self._visit = await door.sandbox.access.enter(door.fid, stay=True)
            if self._connection is None:
                # It was lost while we waited.
                self._leave()
            elif self._visit is not None:
                self._connection.set_extra_info(visit=self._visit)
            return True

        def _leave(self) -> None:
            if self._visit is not None:
                self._visit.leave()
                self._visit = None

    return Guard()
