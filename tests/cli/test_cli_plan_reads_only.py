"""Planning only reads: it writes nothing but its output, sends nothing that changes anything, and waits for no one."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from flowplan_program import HELLO, Project, Proxy, Served, finish, reach

pytestmark = pytest.mark.process

WATCH = """
import os, sys
log = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
changing = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
            "os.chown", "os.utime", "shutil.move", "shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp"}
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            os.write(log, f"open {os.fsdecode(path)}\\n".encode())
    elif event in changing:
        os.write(log, f"{event} {arguments[0] if arguments else ''}\\n".encode())
    elif event == "sqlite3.connect":
        os.write(log, f"sqlite {arguments[0]}\\n".encode())
sys.addaudithook(watch)
"""
"""What a process does to files, seen from within before any of its own code runs."""
LASTING = HELLO.replace('echo "hello from $FLOW_TASK_NAME"', "sleep 1000")


def files(*roots: Path) -> dict[str, tuple[int, str]]:
    """Every file and folder below the roots, with when it was last changed and what is in it."""
    found = {}
    for root in roots:
        for path in sorted(root.rglob("*")):
            digest = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path)] = (path.lstat().st_mtime_ns, digest)
    return found


def touched(log: Path) -> list[str]:
    """What was written, but for what a library makes and removes in the system's own temporary folder."""
    lines = log.read_text().splitlines() if log.exists() else []
    system = Path(tempfile.gettempdir())
    told = []
    for line in lines:
        path = Path(line.partition(" ")[2])
        # Why: ctypes asks the compiler where a library is, by way of a temporary file.
        if path != system and path.parent != system and not str(path).startswith("/dev/"):
            told.append(line)
    return told


@pytest.fixture
def watched(project: Project, proxy: Proxy, tmp_path: Path) -> Path:
    """An applied stack with an edit, and a log of what any command does to files."""
    project.write(LASTING)
    project.apply()
    project.write(LASTING.replace("3.0", "4.0"))
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "watched.log"
    project.env |= {
        "PYTHONPATH": f"{hook}:{project.env['PYTHONPATH']}",
        "WATCH_LOG": str(log),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    proxy.requests.clear()
    return log


def test_plan_writes_nothing_and_sends_nothing_that_changes_anything(
    project: Project, proxy: Proxy, watched: Path
) -> None:
    home = Path(project.env["HOME"])
    before = files(project.root, home)
    for arguments in (
        ("plan", "--json"),
        ("explain", "task.hello", "--destroy"),
        ("show",),
    ):
        project.run(*arguments, code=0)
    after = files(project.root, home)
    # SQLite's own index of readers may come and go beside the state; it is no content.
    own = ("-shm", "-wal")
    assert {n: v for n, v in after.items() if not n.endswith((*own, "/state"))} == {
        n: v for n, v in before.items() if not n.endswith((*own, "/state"))
    }
    assert proxy.mutations() == []
    assert {line.partition(" ")[0] for line in touched(watched)} <= {"sqlite"}


def test_plan_writes_its_output_file_and_no_other(project: Project, proxy: Proxy, watched: Path) -> None:
    project.run("plan", "--out", "next.fplan", code=0)
    changed = [line for line in touched(watched) if not line.startswith("sqlite")]
    assert changed and all(".next.fplan." in line or "next.fplan" in line for line in changed), changed
    assert proxy.mutations() == []
    assert json.loads((project.root / "next.fplan").read_text())["plan"]["summary"]["change"] == 1


def test_plan_works_while_an_apply_runs_and_sees_a_whole_state(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/spot/bids", "before")
    apply = project.start("apply", "--auto-approve")
    reach(gate, apply)
    assert "# interrupted" not in project.run("plan", code=0).out
    document = project.run("plan", "--json", code=0).json()
    assert document["summary"]["unchanged"] == 1, "the volume is made, and the task is in flight"
    assert [one["address"] for one in document["interrupted"]] == ["task.hello"]
    gate.open()
    assert finish(apply).code == 0
    assert "No changes." in project.run("plan", code=0).out
    assert len(served.live_bids()) == 1


def test_an_apply_does_not_wait_for_a_plan(project: Project, proxy: Proxy) -> None:
    project.write(LASTING)
    project.apply()
    project.write(LASTING.replace("3.0", "4.0"))
    gate = proxy.gate("GET", "/v2/volumes", "after")
    plan = project.start("plan")
    reach(gate, plan)
    assert "1 changed" in project.apply().out
    gate.open()
    assert finish(plan).code == 0


def test_plan_does_not_wait_for_whoever_writes_the_state(project: Project, served: Served) -> None:
    project.write(HELLO)
    project.apply()
    with sqlite3.connect(project.state / "flowplan.db", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE stacks SET serial = serial + 1")
        assert "No changes." in project.run("plan", code=0).out
        db.execute("ROLLBACK")
    db.close()
