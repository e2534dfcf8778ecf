"""What is said to an instance over SSH: addresses, arguments, shell lines, and the choice of a key. All pure."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

USER = "ubuntu"
"""Who one logs in as (provider.md 2.2)."""
COMPLETION_PATH = "/var/log/flow/completion.json"
LOG_PATHS = {
    "stdout": "/var/log/flow/stdout.log",
    "stderr": "/var/log/flow/stderr.log",
    "startup": "/var/log/foundry/startup_script.log",
}
"""Where a launch script keeps each stream."""
CHUNK = 1 << 20
"""The most bytes that one look at a log brings."""
NO_FILE = 44
"""The exit code of `read_line` where there is no ordinary file."""


def parse_destination(text: str) -> tuple[str, int, str]:
    """The (host, port, user) of an instance's ``ssh_destination``: "host" or "host:port", IPv6 in brackets or bare.

    Raises:
        ValueError: the port is no number from 1 to 65535, or there is no host.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or (":" in host and not host.endswith("]")) or port.endswith("]"):
        host, port = text.strip(), "22"
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not host or not 0 < number < 65536:
        raise ValueError(f"{text!r} is no host or host:port")
    return host, number, USER


def choose_key(
    named: str | None, candidates: Iterable[tuple[Path, str]], accepted: Iterable[str]
) -> Path | None:
    """The private key to log in with (models.md 2.5): the one that is ``named`` (MITHRIL_SSH_KEY), whatever it is.

    Else the first candidate, (private file, text of its public half), that is among the bid's ``accepted`` public
    keys. Comments do not count.
    """
    if named:
        path = Path(named).expanduser()
        return path.with_suffix("") if path.suffix == ".pub" else path
    wanted = {tuple(text.split()[:2]) for text in accepted}
    return next((path for path, text in candidates if tuple(text.split()[:2]) in wanted), None)


def ssh_argv(
    host: str,
    port: int = 22,
    user: str = USER,
    key: Path | None = None,
    command: str | Sequence[str] | None = None,
    control: Path | None = None,
) -> list[str]:
    """The arguments of the system's ssh (models.md 2.8), for a shell or a command.

    ``control`` is a folder, private to the user, for the socket of a connection that commands share for a minute;
    a shell has its own connection.
    """
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    options += ["PasswordAuthentication=no", "PreferredAuthentications=publickey", "GSSAPIAuthentication=no"]
    options += ["ConnectTimeout=10", "ServerAliveInterval=10", "ServerAliveCountMax=3"]
    argv = ["ssh"]
    if command is not None:
        argv += ["-o", "BatchMode=yes", "-T"]
        if control is not None:
            options += ["ControlMaster=auto", "ControlPersist=60s", f"ControlPath={control}/%C"]
            options += ["StreamLocalBindUnlink=yes"]
    argv += ["-p", str(port)]
    if key is not None:
        argv += ["-i", str(key), "-o", "IdentitiesOnly=yes"]
    for option in (*options, "Compression=yes"):
        argv += ["-o", option]
    argv.append(f"{user}@{host}")
    if command is not None:
        argv += ["--", line_of(command)]
    return argv


def line_of(command: str | Sequence[str]) -> str:
    """A command as the one line that SSH can carry."""
    return command if isinstance(command, str) else shlex.join(command)


def read_line(path: str) -> str:
    """A shell line that prints an ordinary file, as root where need be, or ends with `NO_FILE`."""
    return (
        f'f={_place(path)}; s=; [ -r "$f" ] || s="sudo -n"; '
        f'$s test -f "$f" 2>/dev/null || exit {NO_FILE}; exec $s cat -- "$f"'
    )


def log_line(stream: str, offset: int) -> str:
    """A shell line that prints a log from an offset on, at most `CHUNK`; nothing while there is none."""
    return (
        f"f={_place(LOG_PATHS[stream])}; "
        f'[ ! -f "$f" ] || tail -c +{max(0, offset) + 1} -- "$f" | head -c {CHUNK}'
    )


def write_line(path: str) -> str:
    """A shell line that makes a file of its standard input, in one step, as root where need be."""
    folder = posixpath.dirname(path)
    # A path relative to the home folder may have no folder of its own.
    return (
        f"f={_place(path)}; d={_place(folder) if folder else '.'}; s=; "
        'mkdir -p -- "$d" 2>/dev/null && [ -w "$d" ] || s="sudo -n"; '
        '[ ! -d "$f" ] || { echo "$f is a folder" >&2; exit 1; }; '
        '$s mkdir -p -- "$d" && $s sh -c \'cat >"$1" && mv -f -- "$1" "$2" || { rm -f -- "$1"; exit 1; }\' '
        'sh "$f.$$.new" "$f"'
    )


def _place(path: str) -> str:
    """A path as a shell word. FLOW_ROOT is where a pretended instance without a root of its own keeps its files."""
    if path.startswith("/"):
        return '"${FLOW_ROOT:-}"' + shlex.quote(path)
    return shlex.quote(f"./{path}")
