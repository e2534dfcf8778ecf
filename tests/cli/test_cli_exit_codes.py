"""The codes of docs/exit-codes.md that an apply can end with, each brought about; and how it says to go on.

130, 143, 129 and what a lost reader means are in tests/process; 124 and 3 in test_cli_tasks.py.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from contextlib import closing

import pytest
from flowplan_program import HELLO, EmbeddedApi, Ended
from inline import Inline

from flowplan.backend.lease import process_start
from flowplan.values.exit_code import ExitCode

TASK = "{instance_type: a100, max_price_per_hour: 3.0, upload_code: false, command: echo hi%s}"
CHEAP = TASK.replace("3.0", "0.1")
"""Below the least price: the provider refuses it."""


SECRET = ', env: {K: "{{ var.key }}"}'
MOUNT = ', volumes: [{volume: "{{ volume.data }}", mount_path: /d}]'


def stack(text: str) -> str:
    return f"stack: codes\nprovider: {{region: us-central1-b}}\n{text}\n"


def resume_of(ended: Ended) -> list[str]:
    """The command that the summary says goes on, as its words after the program's name."""
    (line,) = [one for one in ended.out.splitlines() if one.startswith("  To go on: ")]
    return shlex.split(line.removeprefix("  To go on: "))[1:]


def fault(inline: Inline, *settings: str) -> None:
    inline.run("sandbox", "fault", "add", *settings, code=0)


def test_0_when_all_is_done_and_when_there_is_nothing_to_do(inline: Inline) -> None:
    inline.write(HELLO)
    inline.run("apply", "--auto-approve", code=ExitCode.DONE)
    again = inline.run("apply", "--auto-approve", code=ExitCode.DONE)
    assert "0 added, 0 changed, 0 destroyed" in again.out and "To go on" not in again.out


def test_1_when_nothing_came_of_it(inline: Inline) -> None:
    inline.write(stack(f"tasks: {{a: {CHEAP % ''}}}"))
    ended = inline.run("apply", "--auto-approve", code=ExitCode.ERROR)
    assert "Apply incomplete. Resources: 0 added" in ended.out
    assert "the limit price is below the minimum" in ended.out.partition("Failed:\n    task.a (create): ")[2]


def test_4_when_data_would_be_lost(inline: Inline) -> None:
    inline.write(stack("volumes: {v: {size_gb: 1, interface: file}}"))
    inline.run("apply", "--auto-approve", code=0)
    inline.write(stack("volumes: {v: {size_gb: 1, interface: block}}"))
    assert "--allow-data-loss" in inline.run("apply", "--auto-approve", code=ExitCode.REFUSED).err


def test_5_when_a_part_was_done_and_the_command_goes_on_with_the_users_own_options(
    inline: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "variables: {word: {type: string}, key: {type: string, sensitive: true}}\n" + (
        f"tasks: {{good: {TASK % SECRET}, bad: {CHEAP % ''}, other: {TASK % ''}, "
        f"after: {TASK % ', depends_on: [task.bad]'}}}"
    )
    inline.write(stack(text), "some stack.yaml")
    options = [
        "--target",
        "task.good",
        "--target",
        "task.after",
        "--var",
        "word=it's",
        "--var",
        "key=hunter2",
    ]
    ended = inline.run("apply", "some stack.yaml", *options, "--auto-approve", "--parallelism", "3",
                       code=ExitCode.PARTLY)  # fmt: skip
    assert "Failed:\n    task.bad (create): " in ended.out
    assert "Skipped:\n    task.after (needs task.bad)" in ended.out
    assert "hunter2" not in ended.out + ended.err
    words = resume_of(ended)
    assert words[:2] == ["apply", "some stack.yaml"]
    assert words[2 : words.index("(with")] == [
        "--var", "word=it's", "--target", "task.good", "--target", "task.after", "--auto-approve", "--parallelism", "3",
    ]  # fmt: skip
    assert "FLOWPLAN_VAR_key" in words[words.index("(with") + 1]
    inline.write(stack(text.replace("0.1", "3.0")), "some stack.yaml")
    monkeypatch.setenv("FLOWPLAN_VAR_key", "hunter2")
    done = inline.run(*words[: words.index("(with")], code=0)
    assert "2 added" in done.out and "task.other" not in done.out


def test_6_when_the_provider_fails_for_a_while(inline: Inline) -> None:
    inline.write(HELLO)
    inline.run("apply", "--auto-approve", code=0)
    fault(inline, "throttle", "method=POST", "retry_after=0", "times=50")
    inline.write(HELLO.replace("tasks:", f"tasks:\n  more: {TASK % ''}"))
    ended = inline.run("apply", "--auto-approve", code=ExitCode.TRANSIENT)
    assert "task.more (create)" in ended.out


def test_7_when_another_holds_the_lock(inline: Inline) -> None:
    inline.write(HELLO)
    inline.run("apply", "--auto-approve", code=0)
    inline.write(HELLO.replace("3.0", "4.0"))
    with closing(sqlite3.connect(inline.root / "state" / "flowplan.db", isolation_level=None)) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(leases)")]
        known = dict.fromkeys(names, "x") | {
            "stack": "hello", "token": 99, "host": os.uname().nodename, "pid": os.getpid(),
            "started": process_start(os.getpid()), "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2999-01-01T00:00:00Z",
        }  # fmt: skip
        known = {name: 0 if name in ("done", "steps") else known[name] for name in names}
        db.execute(f"INSERT OR REPLACE INTO leases VALUES ({', '.join('?' * len(names))})", [*known.values()])
    assert "is locked" in inline.run("apply", "--auto-approve", code=ExitCode.LOCKED).err


def test_8_when_a_saved_plan_is_stale(inline: Inline) -> None:
    inline.write(HELLO)
    inline.run("plan", "--out", "p.fplan", code=0)
    inline.run("apply", "--auto-approve", code=0)
    assert "stale" in inline.run("apply", "p.fplan", code=ExitCode.STALE).err


def test_9_when_no_one_knows_and_the_next_apply_settles_it(inline: Inline) -> None:
    limited = TASK % ", timeouts: {create: 1s}"
    inline.write(stack(f"tasks: {{a: {limited}}}"))
    fault(inline, "latency", "method=POST", "path=/v2/spot/bids", "seconds=3s", "times=1")
    ended = inline.run("apply", "--auto-approve", code=ExitCode.UNKNOWN)
    assert "Outcome unknown:\n    task.a (create)" in ended.out
    assert "task.a: Failed: The create of task.a has not ended after 1s" in ended.out
    assert "interrupted create" in inline.run("plan", code=0).out
    done = inline.run(*resume_of(ended), code=0)
    assert "interrupted create" in done.out
    assert len(EmbeddedApi(inline.root / "state" / "sandbox").live_bids()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["apply", "--json"], ["destroy", "--json"], ["apply", "--on-failure", "panic"], ["apply", "--parallelism", "0"]],
)  # fmt: skip
def test_64_when_the_command_line_is_wrong(inline: Inline, arguments: list[str]) -> None:
    inline.write(HELLO)
    inline.run(*arguments, code=ExitCode.USAGE)


UNDO = stack(
    "volumes: {data: {size_gb: 1, interface: file}}\n"
    f"tasks: {{one: {TASK % MOUNT}, "
    f"bad: {CHEAP % ', depends_on: [task.one]'}}}"
)


def test_an_undo_says_what_is_gone_and_what_is_kept(inline: Inline) -> None:
    inline.write(UNDO)
    ended = inline.run("apply", "--auto-approve", "--on-failure", "undo", code=ExitCode.PARTLY)
    assert "Apply undone. Resources: 1 added, 0 changed, 0 destroyed." in ended.out
    assert "Undone:\n    task.one\n" in ended.out
    assert "Kept:\n    volume.data: a task had it, so it may hold data" in ended.out
    assert (
        EmbeddedApi(inline.root / "state" / "sandbox").live_bids() == []
        and len(EmbeddedApi(inline.root / "state" / "sandbox").live_volumes()) == 1
    )
    inline.write(UNDO.replace("0.1", "3.0"))
    assert resume_of(ended) == ["apply", "--auto-approve", "--on-failure", "undo"]
    inline.run(*resume_of(ended), code=0)


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines_tell_the_same_as_the_words_and_as_the_file(inline: Inline) -> None:
    inline.write(UNDO)
    ended = inline.run("apply", "--auto-approve", "--json", "--json-into", "e.jsonl", "--fail-fast",
                       code=ExitCode.PARTLY)  # fmt: skip
    found = events(ended.out)
    assert events((inline.root / "e.jsonl").read_text()) == found
    assert found[0]["type"] == "version" and found[-1]["type"] == "summary"
    assert found[-1]["exit_code"] == ExitCode.PARTLY and found[-1]["ok"] is False
    assert found[-1]["failed"][0]["address"] == "task.bad"  # type: ignore[index]
    assert found[-1]["resume"] == "flowplan apply --auto-approve --fail-fast"
    assert {one["address"] for one in found if one["type"] == "done"} == {"volume.data", "task.one"}
    assert not ended.err.strip()


@pytest.mark.parametrize(
    ("text", "code"),
    [("stack: codes\ntasks: {a: {command: [}\n", 1), (stack("volumes: {v: {size_gb: big}}"), 1)],
)
def test_a_stream_ends_with_a_summary_whatever_happens(inline: Inline, text: str, code: int) -> None:
    inline.write(text)
    found = events(inline.run("apply", "--auto-approve", "--json", code=code).out)
    assert [one["type"] for one in found[:1] + found[-1:]] == ["version", "summary"]
    assert found[-1]["exit_code"] == code and "diagnostic" in [one["type"] for one in found]


def test_a_file_for_events_that_cannot_be_written(inline: Inline) -> None:
    inline.write(HELLO)
    nowhere = inline.run("apply", "--auto-approve", "--json-into", "no/such/file", code=1)
    assert (
        "no/such/file cannot be written" in nowhere.err
        and EmbeddedApi(inline.root / "state" / "sandbox").live_ids() == []
    )
    full = inline.run("apply", "--auto-approve", "--json-into", "/dev/full", code=0)
    assert full.err.count("cannot be written any more") == 1 and "2 added" in full.out


def test_no_secret_is_in_any_line(inline: Inline) -> None:
    inline.write(
        stack(
            "variables: {key: {type: string, sensitive: true}}\n"
            f"tasks: {{a: {TASK % SECRET}, bad: {CHEAP % SECRET}}}\n"
            "outputs: {plain: {value: 1}, hidden: {value: 'x-{{ var.key }}', sensitive: true}}"
        )
    )
    options = ["--auto-approve", "--json", "--json-into", "e.jsonl", "--var", "key=hunter2"]
    failed = inline.run("apply", *options, code=ExitCode.PARTLY)
    inline.edit("0.1", "3.0")
    done = inline.run("apply", *options, code=0)
    (outputs,) = [one["outputs"] for one in events(done.out) if one["type"] == "outputs"]
    assert outputs == {"hidden": {"sensitive": True}, "plain": {"sensitive": False, "value": 1}}
    for text in (failed.out, failed.err, done.out, done.err, (inline.root / "e.jsonl").read_text()):
        assert "hunter2" not in text
