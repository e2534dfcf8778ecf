"""``flowplan fmt`` as its user meets it: names, codes, modes, links, standard input, and nothing half written."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from flowplan.cli.main import run

UNTIDY = "stack:   s\nvolumes:\n    a: { size_gb: 1 }   # one\n"
TIDY = "stack: s\nvolumes:\n  a: {size_gb: 1}  # one\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_files_are_formatted_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(UNTIDY)
    (folder / "b.yml").write_text(TIDY)
    (folder / "c.txt").write_text(UNTIDY)
    (folder / "inner").mkdir()
    (folder / "inner" / "d.yaml").write_text(UNTIDY)
    assert run(["fmt"]) == 0
    assert capsys.readouterr().out == "a.yaml\n"
    assert (folder / "a.yaml").read_text() == TIDY
    assert (folder / "c.txt").read_text() == (folder / "inner" / "d.yaml").read_text() == UNTIDY
    assert run(["fmt"]) == 0
    assert capsys.readouterr().out == ""
    assert run(["fmt", "--recursive", "--check"]) == 3
    assert capsys.readouterr().out == "inner/d.yaml\n"
    assert run(["fmt", "inner", "c.txt"]) == 0
    assert capsys.readouterr().out == "inner/d.yaml\nc.txt\n"


def test_check_and_diff_write_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(UNTIDY)
    assert run(["fmt", "--check", "--diff"]) == 3
    out = capsys.readouterr().out
    assert "-stack:   s\n" in out
    assert "+stack: s\n" in out
    assert (folder / "a.yaml").read_text() == UNTIDY
    assert run(["fmt", "-diff"]) == 0
    assert capsys.readouterr().out == out
    assert (folder / "a.yaml").read_text() == TIDY
    assert run(["fmt", "--check"]) == 0


def test_mode_and_link_stay(folder: Path) -> None:
    real = folder / "real" / "a.yaml"
    real.parent.mkdir()
    real.write_text(UNTIDY)
    real.chmod(0o640)
    (folder / "a.yaml").symlink_to(real)
    assert run(["fmt"]) == 0
    assert (folder / "a.yaml").is_symlink()
    assert real.read_text() == TIDY
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [entry.name for entry in real.parent.iterdir()] == ["a.yaml"]


def test_standard_input_goes_to_standard_output(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    def given(raw: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))

    given(UNTIDY.replace("\n", "\r\n").encode())
    assert run(["fmt", "-"]) == 0
    assert capsysbinary.readouterr().out == TIDY.replace("\n", "\r\n").encode()
    given(UNTIDY.encode())
    assert run(["fmt", "--check", "-"]) == 3
    assert capsysbinary.readouterr().out == b"<stdin>\n"
    given(b"a: \xff\n")
    assert run(["fmt", "-"]) == 1
    ended = capsysbinary.readouterr()
    assert ended.out == b""
    assert b"not UTF-8" in ended.err


def test_what_is_wrong_is_reported_and_the_rest_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text("a: [1\n")
    (folder / "b.yaml").write_text(UNTIDY)
    (folder / "c.yaml").write_bytes(b"\xff\n")
    assert run(["fmt", "a.yaml", "b.yaml", "c.yaml", "d.yaml"]) == 1
    ended = capsys.readouterr()
    assert ended.out == "b.yaml\n"
    for said in ("on a.yaml:1:", "c.yaml", "UTF-8", "There is no file d.yaml"):
        assert said in ended.err
    assert (folder / "a.yaml").read_text() == "a: [1\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everything")
def test_a_file_that_may_not_be_written_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(UNTIDY)
    (folder / "a.yaml").chmod(0o440)
    assert run(["fmt"]) == 1
    assert "a.yaml cannot be formatted" in capsys.readouterr().err
    assert (folder / "a.yaml").read_text() == UNTIDY


def test_a_failure_leaves_the_file_and_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text(UNTIDY)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run(["fmt"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert [(entry.name, entry.read_text()) for entry in folder.iterdir()] == [("a.yaml", UNTIDY)]


def test_a_diff_shows_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text('variables: {t: {sensitive: true,   default: "hunt\\x65r2"}}\nx:   1\n')
    (folder / "flowplan.vars.yaml").write_text("t:   hunter2\n")
    assert run(["fmt", "--diff", "--check"]) == 3
    out = capsys.readouterr().out
    assert "hunter2" not in out and "hunt\\x65r2" not in out
    assert "+x: 1" in out
