"""A reader that goes away, a terminal that is closed, signals amid JSON lines: the apply comes to a safe end and says so once."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

import pytest
from flowplan_program import HELLO, PATIENCE_S, Project, Proxy, Served, finish, reach, wait_until

pytestmark = pytest.mark.process


class Terminal:
    """A pseudo-terminal that is the controlling one of a command, as in a terminal window."""

    def __init__(self, project: Project, *arguments: str, **env: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

        def take() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "flowplan", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=project.root,
            env={**project.env, "TERM": "xterm-256color", **env},
            preexec_fn=take,
        )
        os.close(slave)
        self.text = ""

    def read_until(self, holds: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not holds(self.text):
            assert time.monotonic() < deadline, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:  # the other end is closed: the command has ended
                    assert holds(self.text), self.text
        return self.text

    def close(self) -> None:
        os.close(self.master)


def recorded(project: Project) -> list[str]:
    return project.run("state", "list", code=0).out.split()


def test_a_reader_that_ends_stops_nothing(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/volumes", "before")
    process = project.start("apply", "--auto-approve")
    assert process.stdout is not None
    assert process.stdout.readline()  # apply | head -1
    process.stdout.close()
    process.stdout = None
    reach(gate, process)
    gate.open()
    ended = finish(process)
    assert ended.code == 0 and not ended.err.strip()
    assert sorted(recorded(project)) == ["task.hello", "volume.notes"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_closed_terminal_lets_what_is_in_flight_finish(
    project: Project, served: Served, proxy: Proxy, as_json: bool
) -> None:
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/volumes", "before")
    terminal = Terminal(project, "apply", "--auto-approve", *["--json"] * as_json)
    terminal.read_until(lambda text: "volume.notes" in text)
    wait_until(gate.reached.is_set, "the request")
    terminal.close()
    time.sleep(0.2)  # the hang-up is on its way; nothing depends on how far it has come
    gate.open()
    assert terminal.process.wait(PATIENCE_S) == 129
    assert recorded(project) == ["volume.notes"] and len(served.live_volumes()) == 1
    assert served.live_bids() == []
    assert "1 added" in project.apply().out


def test_a_terminal_shows_what_runs_in_place_and_gets_its_cursor_back(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/volumes", "before")
    terminal = Terminal(project, "apply", "--auto-approve")
    terminal.read_until(lambda text: re.search(r"volume\.notes.*creating", text) is not None)
    terminal.read_until(lambda text: "0 of 2 done" in text and "1 running" in text)
    gate.open()
    text = terminal.read_until(lambda text: "Apply complete! Resources: 2 added" in text)
    assert terminal.process.wait(PATIENCE_S) == 0
    assert text.count("\x1b[?25l") == 1 and text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "volume.notes\x1b[0m: Creation complete" in text
    assert "\x1b[2J" not in text and "\x1b[H" not in text
    terminal.close()


def test_a_dumb_terminal_gets_lines(project: Project, served: Served) -> None:
    project.write(HELLO)
    terminal = Terminal(project, "apply", "--auto-approve", TERM="dumb")
    text = terminal.read_until(lambda text: "Apply complete!" in text)
    assert "\x1b" not in text and "volume.notes: Creating..." in text
    assert terminal.process.wait(PATIENCE_S) == 0
    terminal.close()


def test_signals_amid_json_lines(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/volumes", "before")
    process = project.start("apply", "--auto-approve", "--json", "--json-into", "events.jsonl")
    reach(gate, process)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    wait_until(lambda: "Interrupted" in process.stderr.readline(), "the note")  # type: ignore[union-attr]
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    gate.open(drop=True)
    assert ended.code == 143
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert lines == [json.loads(line) for line in (project.root / "events.jsonl").read_text().splitlines()]
    summaries = [line for line in lines if line["type"] == "summary"]
    assert summaries == lines[-1:] and summaries[0]["interrupted"] and summaries[0]["exit_code"] == 143
    assert summaries[0]["in_flight"] == [{"address": "volume.notes", "operation": "create"}]
    assert summaries[0]["not_started"] == [{"address": "task.hello", "operation": "create"}]
    assert summaries[0]["resume"] == "flowplan apply --auto-approve"
    project.apply()
    assert len(served.live_volumes()) == 1


def test_there_is_one_summary_however_often_it_is_interrupted(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/volumes", "before")
    process = project.start("apply", "--auto-approve")
    reach(gate, process)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)  # signals that come together are one; how many get through does not matter
    ended = finish(process)
    gate.open(drop=True)
    assert ended.code == 130
    assert ended.text.count("Apply interrupted.") == 1 and ended.text.count("To go on:") == 1
    assert "In flight" in ended.out and "Not started:\n    task.hello (create)" in ended.out


def test_a_stream_that_is_interrupted_before_anything_began_ends_with_a_summary(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(HELLO)
    gate = proxy.gate("GET", "/v2/projects", "before")
    process = project.start("apply", "--auto-approve", "--json")
    reach(gate, process)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    gate.open(drop=True)
    assert ended.code == 130
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["type"] for line in lines] == ["version", "diagnostic", "summary"]
    assert lines[-1]["exit_code"] == 130 and not served.live_ids()
