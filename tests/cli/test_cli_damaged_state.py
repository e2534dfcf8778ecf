"""A state that is empty, cut or rubbish is named, and never planned from as if nothing existed."""

from __future__ import annotations

from pathlib import Path

import pytest
from flowplan_program import HELLO
from in_process import Called


@pytest.fixture
def applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Called:
    made = Called.make(tmp_path)
    made.capture = capsys
    made.write(HELLO.replace("command: echo", "command: 'true' #"))
    made.apply()
    return made


def living(project: Called) -> dict[str, int]:
    """What there is at the provider, but for what the market does by itself."""
    return {name: count for name, count in project.sandbox_status().items() if name != "instances"}


@pytest.mark.parametrize("how", ["empty", "cut in half", "last byte", "rubbish", "a page of rubbish"])
def test_no_damage_is_taken_for_an_empty_state(applied: Called, how: str) -> None:
    path = applied.state / "flowplan.db"
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    whole = path.read_bytes()
    half = len(whole) // 2
    damaged = {
        "empty": b"",
        "cut in half": whole[:half],
        "last byte": whole[:-1],
        "rubbish": b"not a database at all" * 300,
        "a page of rubbish": whole[:4096] + b"\xff" * 4096 + whole[8192:],
    }[how]
    path.write_bytes(damaged)
    before = living(applied)
    for command in (("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")):
        ended = applied.run(*command)
        assert ended.code == 1, (command, ended)
        assert "flowplan.db" in ended.err, "the file is named"
        assert "to add" not in ended.out and "No changes" not in ended.out, ended.out
    assert living(applied) == before, "nothing was made and nothing destroyed"
    path.write_bytes(whole)
    assert "No changes." in applied.run("plan", "--detailed-exitcode", code=0).out
