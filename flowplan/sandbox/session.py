"""One command or shell of an SSH connection: a process inside the machine, with its streams tied to the channel."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.sandbox import entry

if TYPE_CHECKING:
    import asyncssh

_CHUNK = 65536


async def attend(session: asyncssh.SSHServerProcess[bytes], folder: Path) -> None:
    """Run what the client asked for, in the machine of ``folder``, and give it the exit code.

    A client that is gone hangs up: what it ran gets SIGHUP, as from a terminal that is closed.
    """
    if session.subsystem is not None:
        session.exit(127)
        return
    variables = {"PATH": os.defpath}
    if session.term_type:
        variables["TERM"] = session.term_type
        code = await _in_terminal(session, entry.arguments(folder, session.command, "terminal"), variables)
    else:
        # A shell without a terminal reads its commands from its standard input.
        argv = entry.arguments(folder, session.command or ["/bin/bash", "-l"], "apart")
        code = await _in_pipes(session, argv, variables)
    if code == entry.NOT_THERE and not await asyncio.to_thread(_is_there, folder):
        # As a machine does that was switched off: no exit code, the connection is gone.
        session.channel.get_connection().abort()
        return
    session.exit(code)


def _is_there(folder: Path) -> bool:
    try:
        with entry.Visit(folder):
            return True
    except entry.NotThere:
        return False


async def _in_pipes(
    session: asyncssh.SSHServerProcess[bytes], argv: list[str], variables: dict[str, str]
) -> int:
    from asyncio.subprocess import PIPE

    running = await asyncio.create_subprocess_exec(
        *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=variables, start_new_session=True
    )
    assert running.stdin is not None and running.stdout is not None and running.stderr is not None
    target = running.stdin

    async def write(data: bytes) -> None:
        target.write(data)
        await target.drain()

    async def feed() -> None:
        with contextlib.suppress(OSError):
            await _forward(session, write, running, lambda *_: None)
        with contextlib.suppress(OSError):
            target.close()

    async def show(source: asyncio.StreamReader, end: asyncssh.SSHWriter[bytes]) -> None:
        while data := await source.read(_CHUNK):
            await _send(end, data)

    side = [asyncio.create_task(feed()), asyncio.create_task(_hang_up(session, running))]
    try:
        await asyncio.gather(show(running.stdout, session.stdout), show(running.stderr, session.stderr))
        return await running.wait()
    finally:
        await _clear(side, running)


async def _in_terminal(
    session: asyncssh.SSHServerProcess[bytes], argv: list[str], variables: dict[str, str]
) -> int:
    master, slave = os.openpty()
    os.set_blocking(master, False)

    def resize(columns: int, rows: int, width: int, height: int) -> None:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))

    async def write(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(master, data) :]
            except BlockingIOError:
                await _until(master, for_writing=True)

    async def feed() -> None:
        with contextlib.suppress(OSError):
            await _forward(session, write, running, resize)
            await write(b"\x04")

    async def show() -> None:
        while True:
            try:
                data = os.read(master, _CHUNK)
            except BlockingIOError:
                await _until(master)
                continue
            except OSError:
                # Linux says that no one has the terminal open any more.
                return
            if not data:
                return
            await _send(session.stdout, data)

    try:
        try:
            resize(*session.term_size)
            running = await asyncio.create_subprocess_exec(
                *argv, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True
            )
        finally:
            os.close(slave)
        shown = asyncio.create_task(show())
        side = [shown, asyncio.create_task(feed()), asyncio.create_task(_hang_up(session, running))]
        try:
            code = await running.wait()
            # What it left running may hold the terminal for ever.
            await asyncio.wait([shown], timeout=0.5)
            return code
        finally:
            await _clear(side, running)
    finally:
        os.close(master)


async def _forward(
    session: asyncssh.SSHServerProcess[bytes],
    write: Callable[[bytes], Awaitable[None]],
    running: asyncio.subprocess.Process,
    resize: Callable[[int, int, int, int], None],
) -> None:
    """Pass on what the client sends until it sends no more: data, signals, sizes of its window."""
    import asyncssh

    while True:
        try:
            data = await session.stdin.read(_CHUNK)
        except asyncssh.TerminalSizeChanged as size:
            resize(*size.term_size)
            continue
        except asyncssh.SignalReceived as received:
            number = getattr(signal, f"SIG{received.signal}", None)
            if number is not None and running.returncode is None:
                running.send_signal(number)
            continue
        except asyncssh.BreakReceived:
            continue
        except (asyncssh.Error, ConnectionError):
            return
        if not data:
            return
        await write(data)


async def _hang_up(session: asyncssh.SSHServerProcess[bytes], running: asyncio.subprocess.Process) -> None:
    await session.channel.wait_closed()
    if running.returncode is None:
        running.send_signal(signal.SIGHUP)


async def _clear(side: list[asyncio.Task[None]], running: asyncio.subprocess.Process) -> None:
    """End the tasks beside a process and, should it still run, the process."""
    for task in side:
        task.cancel()
    await asyncio.gather(*side, return_exceptions=True)
    if running.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            running.send_signal(signal.SIGHUP)


async def _send(end: asyncssh.SSHWriter[bytes], data: bytes) -> None:
    """Send output; what no one listens to any more is dropped, so that its writer is not held up."""
    import asyncssh

    with contextlib.suppress(OSError, asyncssh.Error):
        end.write(data)
        await end.drain()


async def _until(descriptor: int, for_writing: bool = False) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if for_writing else loop.add_reader)(descriptor, wake)
    try:
        await ready
    finally:
        (loop.remove_writer if for_writing else loop.remove_reader)(descriptor)
