"""Disks that are full or cannot be written, under real applies: nothing is sent without a record, and nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from flowplan_program import Project, Proxy, Served, finish

from flowplan.backend.sqlite import SqliteBackend

pytestmark = pytest.mark.process

COUNT = 30
STACK = """\
stack: many
provider: {region: us-central1-b}
volumes:
""" + "".join(f"  v{n}: {{size_gb: 1, interface: file}}\n" for n in range(COUNT))


@pytest.fixture
def disk(tmp_path: Path, project: Project) -> Iterator[Path]:
    """A disk of 16 MiB that the project's state lies on."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no small disk can be mounted here: it takes root")
    project.env["FLOWPLAN_DATA_DIR"] = str(place / "state")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def recorded(disk: Path) -> list[str]:
    with closing(SqliteBackend(disk / "state")) as backend:
        return sorted(record.id for record in backend.snapshot("many").records.values())


def test_a_disk_that_fills_up_stops_an_apply_before_its_next_request(
    project: Project, served: Served, proxy: Proxy, disk: Path
) -> None:
    project.write(STACK.partition("  v1:")[0])
    project.apply()
    with (disk / "filler").open("wb", buffering=0) as filler:
        with suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        filler.truncate(filler.tell() - 300 * 1024)
    project.write(STACK)
    ended = project.run("apply", "--auto-approve", "--parallelism", "4")
    assert "space" in ended.err, ended
    live = served.live_ids()
    assert 1 < len(live) < COUNT, "it stopped in the midst"
    there = recorded(disk)
    # What was sent when the disk was full is in the journal, and no more than ran at once.
    with closing(SqliteBackend(disk / "state")) as backend:
        left = backend.unfinished("many")
    assert set(there) <= set(live) and len(set(live) - set(there)) <= len(left) <= 4
    assert ended.code == (9 if left else 5), "something is done, and what became of the rest is known or not"
    assert project.run("plan", code=0).out, "a plan needs no space"
    (disk / "filler").unlink()
    project.apply()
    assert recorded(disk) == served.live_ids() and len(recorded(disk)) == COUNT
    assert "No changes." in project.run("plan", "--detailed-exitcode", code=0).out


def test_a_disk_that_cannot_be_written_is_planned_from_and_not_applied_to(
    project: Project, served: Served, proxy: Proxy, disk: Path
) -> None:
    project.write(STACK.partition("  v2:")[0])
    project.apply()
    before = proxy.mutations()
    project.write(STACK.partition("  v4:")[0])
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert "2 to add" in project.run("plan", code=0).out
    assert len(project.run("state", "list", code=0).out.splitlines()) == 2
    ended = project.run("apply", "--auto-approve", code=1)
    assert "cannot be used" in ended.err and str(disk) in ended.err and "writable" in ended.err
    assert proxy.mutations() == before and len(served.live_ids()) == 2
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    project.apply()
    assert len(served.live_ids()) == 4


def test_whoever_reads_during_an_apply_sees_a_whole_state(project: Project) -> None:
    volumes = "".join(f"  v{n}: {{size_gb: 1, interface: file}}\n" for n in range(300))
    project.write(f"stack: many\nprovider: {{region: us-central1-b}}\nvolumes:\n{volumes}")
    process = project.start("apply", "--auto-approve")
    assert process.stdout is not None
    sizes, serials, reads = [0], [0], 0
    with closing(SqliteBackend(project.state)) as backend:
        for line in iter(process.stdout.readline, ""):
            snapshot = backend.snapshot("many")  # it is checked against all its checksums
            assert len(snapshot.records) >= sizes[-1] and snapshot.serial >= serials[-1]
            sizes.append(len(snapshot.records))
            serials.append(snapshot.serial)
            backend.unfinished("many")
            reads += 1
            if "v150: Creation complete" in line:
                listed = project.run("state", "list", code=0).out.splitlines()
                assert len(listed) >= sizes[-1]
    assert finish(process).code == 0
    assert reads > 300 and len(set(sizes)) > 50
    assert len(project.run("state", "list", code=0).out.splitlines()) == 300
