"""The lease that makes its holder the one writer of a stack: taking it, and telling who has it.

A lease has an owner, an end that a heartbeat pushes out, and a fencing token that grows with every owner.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from flowplan import __version__
from flowplan.backend.reading import lock_of
from flowplan.ports import LockInfo, StoreError
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.exit_code import ExitCode
from flowplan.values.quantity import format_duration, format_instant

LEASE_S = 30.0
"""How long a lease lasts without a heartbeat, in seconds, where nothing else is said."""

HEARTBEATS = 3
"""How many heartbeats there are in the length of a lease."""

LOCK_HELD = ExitCode.LOCKED
"""The exit code when someone else holds the lease."""


def process_start(pid: int) -> str:
    """What tells a process from a later one with the same number: its start time; "" where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def this_machine() -> str:
    """What tells whether a process number means the same: this boot and this space of processes; "" if unknown.

    Containers may share the name of their host and not its processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no file
    except OSError:
        return ""


def is_dead(row: sqlite3.Row) -> bool:
    """Whether a lease's owner is known to be dead: a process of this machine that is no more."""
    if row["host"] != socket.gethostname():
        return False
    if row["machine"] and row["machine"] != this_machine():
        return False
    try:
        os.kill(row["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(row["started"]) and process_start(row["pid"]) not in ("", row["started"])


def holder(db: sqlite3.Connection, stack: str, now: datetime) -> sqlite3.Row | None:
    """The lease that keeps others out of a stack, within a transaction; None where it may be taken."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM leases WHERE stack = ?", (stack,)).fetchone()
    if row is None or datetime.fromisoformat(row["expires_at"]) <= now or is_dead(row):
        return None
    return row


def take(
    db: sqlite3.Connection,
    stack: str,
    operation: str,
    token: int,
    lease_s: float,
    now: Callable[[], datetime],
) -> LockInfo:
    """Write down a new owner, within a transaction."""
    import getpass

    created = now()
    info = LockInfo(
        id=str(uuid.uuid4()),
        operation=operation,
        who=f"{getpass.getuser()}@{socket.gethostname()}",
        pid=os.getpid(),
        host=socket.gethostname(),
        version=__version__,
        created_at=created,
        expires_at=created + timedelta(seconds=lease_s),
        token=token,
    )
    db.execute(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        (
            stack,
            info.id,
            token,
            operation,
            info.who,
            info.host,
            info.pid,
            process_start(info.pid),
            info.version,
            format_instant(info.created_at),
            format_instant(info.expires_at),
            this_machine(),
        ),
    )
    return info


def lock_lines(info: LockInfo, path: Path, now: datetime) -> list[str]:
    """A lease as Terraform shows its locks, with what it does not say: expiry, token, progress, process."""
    age = format_duration(max((now - info.created_at).total_seconds(), 0))
    left = (info.expires_at - now).total_seconds()
    end = f"in {format_duration(max(left, 0))} unless it is renewed" if left > 0 else "it has run out"
    return [
        f"  ID:        {info.id}",
        f"  Path:      {path}",
        f"  Operation: {info.operation}",
        f"  Who:       {info.who} (process {info.pid} on {info.host})",
        f"  Version:   {info.version}",
        f"  Created:   {format_instant(info.created_at)} ({age} ago)",
        f"  Expires:   {format_instant(info.expires_at)} ({end})",
        f"  Token:     {info.token}",
        *([f"  Progress:  {info.done} of {info.steps} steps done"] if info.steps else []),
        *(["  Owner:     is gone; whoever writes next takes the lock over"] if info.is_over else []),
    ]


def held(row: sqlite3.Row, path: Path, now: datetime) -> StoreError:
    """The refusal of a lease that someone else has."""
    detail = "\n".join(
        ["Another flowplan is writing this stack. Lock info:", *lock_lines(lock_of(row), path, now)]
    )
    return StoreError(
        Diagnostic.error(
            f"Stack {row['stack']} is locked",
            detail,
            suggestion="Wait for it to finish, or try again with --lock-timeout 60s. Planning needs no lock.",
        ),
        exit_code=LOCK_HELD,
    )


def lost(stack: str, taker: sqlite3.Row | None) -> StoreError:
    """The error for a writer whose lease someone else has taken, or released."""
    who = f"{taker['who']} (process {taker['pid']}) took it over" if taker else "someone released it"
    return StoreError(
        Diagnostic.error(
            f"The lease on stack {stack} was lost",
            f"This process did not renew it in time and {who}, so it stops without sending anything more. "
            "What it had in flight is in the journal and is settled by the new owner.",
            suggestion="Run the command again.",
        ),
        exit_code=LOCK_HELD,
    )
