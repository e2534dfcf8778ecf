"""A sandbox served in the background: who serves a folder, starting and ending that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flowplan.sandbox import process
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError

LOG = "served.log"
_SERVED = "served.json"
_READY_S = 30.0
_END_S = 15.0
_POLL_S = 0.02


@frozen
class Served:
    """A process that serves a sandbox, and its address."""

    pid: int
    url: str


def announce(home: Path, url: str) -> None:
    """Leave word that this process serves the folder."""
    process.write_atomically(home / _SERVED, {**(process.identify(os.getpid()) or {}), "url": url})


def withdraw(home: Path) -> None:
    """Take that back, unless another process serves the folder by now."""
    known = process.read_json(home / _SERVED)
    if known is not None and known.get("pid") == os.getpid():
        (home / _SERVED).unlink(missing_ok=True)


def served(home: Path) -> Served | None:
    """Who serves the sandbox in a folder; None if nobody does."""
    pid = process.find(home / _SERVED)
    known = process.read_json(home / _SERVED)
    return None if pid is None or known is None else Served(pid, str(known.get("url", "")))


def start(home: Path, port: int, executes: bool | None = None) -> Served:
    """Serve a sandbox in the background; returns when it answers.

    Raises:
        FlowplanError: it did not come up; the diagnostic tells what it said.
    """
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    log = home / LOG
    code = "import sys; from flowplan.sandbox.daemon import main; sys.exit(main(sys.argv[1:]))"
    words = [str(home), str(port), {None: "", True: "exec", False: "no-exec"}[executes]]
    with log.open("ab") as output:
        begin = output.tell()
        child = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": _python_path()},
        )
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        found = served(home)
        if found is not None and found.pid == child.pid:
            # It is to live on when we end: nobody waits for it.
            child.returncode = 0
            return found
        if child.poll() is not None:
            break
        time.sleep(_POLL_S)
    else:
        child.kill()
        child.wait()
    with log.open("rb") as text:
        text.seek(begin)
        said = text.read(4000).decode("utf-8", "replace").strip()
    raise FlowplanError(
        Diagnostic.error("The sandbox did not come up", said, suggestion=f"Its log is {log}.")
    )


def stop(home: Path) -> Served | None:
    """End whoever serves the folder and wait until it is gone; None if nobody did. Tasks go on.

    Raises:
        FlowplanError: it does not end.
    """
    found = served(home)
    if found is None:
        return None
    process.send(home / _SERVED, signal.SIGTERM)
    if not process.wait_gone(home / _SERVED, _END_S):
        process.send(home / _SERVED, signal.SIGKILL)
        if not process.wait_gone(home / _SERVED, _END_S):
            raise FlowplanError(
                Diagnostic.error(f"Process {found.pid}, which serves the sandbox, does not end")
            )
    (home / _SERVED).unlink(missing_ok=True)
    return found


def main(arguments: list[str]) -> int:
    """Serve the folder named, until asked to end."""
    from flowplan.sandbox.serve import serve

    home, port, how = arguments
    try:
        serve(Path(home), int(port), executes={"": None, "exec": True, "no-exec": False}[how])
    except FlowplanError as error:
        for found in error.diagnostics:
            print(f"{found.summary}. {found.detail}", file=sys.stderr)
        return 1
    return 0


def _python_path() -> str:
    """Where flowplan itself is found, before all that is said in the environment."""
    own = str(Path(__file__).resolve().parents[2])
    given = os.environ.get("PYTHONPATH")
    return f"{own}{os.pathsep}{given}" if given else own
