"""The sandbox as an HTTP server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.sandbox.app import HANG_UP
from flowplan.sandbox.daemon import announce, withdraw
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox
    from flowplan.sandbox.ssh_server import SshServer


_KEPT_S = 120
"""How long an idle connection is kept: far longer than clients keep theirs, so that none sends into a closed one."""


def serve(
    home: Path,
    port: int = 0,
    on_ready: Callable[[str, Sandbox], None] | None = None,
    executes: bool | None = None,
) -> None:
    """Serve the sandbox in ``home`` on 127.0.0.1 until SIGTERM or SIGINT; its instances go on running after that.

    ``port`` 0 takes any free one. ``on_ready`` is called once requests are answered, with the server's address
    (such as ``http://127.0.0.1:8080``) and the open sandbox. Nothing is printed. Where asyncssh is installed instances
    are reached over SSH too, and the sandbox's ``ssh_key`` is the file of the private key for it.
    ``executes`` says whether instances run their commands from now on; None leaves it as it is.

    Raises:
        FlowplanError: the folder cannot be used, or the port is taken.
    """
    from flowplan.sandbox.sandbox import open_sandbox

    sandbox = open_sandbox(home)
    try:
        if executes is not None:
            sandbox.configure(executes=executes)
        with _listen(port) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"

            def ready() -> None:
                announce(home, url)
                if on_ready is not None:
                    on_ready(url, sandbox)

            try:
                asyncio.run(_serve(sandbox, listener, ready))
            finally:
                withdraw(home)
    finally:
        sandbox.close()


def _listen(port: int) -> socket.socket:
    # Only where the protocol is named does asyncio switch off the delay of small packets (40 ms for each answer).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        summary = f"The sandbox cannot listen on port {port}"
        hint = "Choose another port, or 0 for any free one."
        raise FlowplanError(Diagnostic.error(summary, str(error), suggestion=hint)) from error
    return listener


async def _serve(sandbox: Sandbox, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        """HTTP that lets the application close a connection in the middle of an answer."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            whole: Any = self.app

            async def app(scope: Any, receive: Any, send: Any) -> None:
                scope.setdefault("extensions", {})[HANG_UP] = transport.close
                await whole(scope, receive, send)

            self.app = app

    class Server(uvicorn.Server):
        """A server that tells when it is ready and leaves signals to us."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        sandbox.app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        http=Protocol,
        timeout_keep_alive=_KEPT_S,
    )
    config.date_header = False
    server = Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        # Only a main thread can handle signals; elsewhere the caller ends the server.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, stop)
    ssh = _open_ssh(sandbox)
    try:
        await server.serve(sockets=[listener])
    finally:
        if ssh is not None:
            await ssh.close()


def _open_ssh(sandbox: Sandbox) -> SshServer | None:
    """The SSH server, where the library for it is installed."""
    from importlib.util import find_spec

    if find_spec("asyncssh") is None:
        return None
    from flowplan.sandbox.ssh_server import SshServer

    return SshServer(sandbox)
