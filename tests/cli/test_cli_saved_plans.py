"""Saved plans and approved digests: exactly what was seen is done, or it is refused and the reason has a name."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from inline import Inline

pytestmark = pytest.mark.process

STACK = """\
stack: saved
provider: {region: us-central1-b}
variables:
  token: {type: string, sensitive: true, default: none}
volumes:
  data: {size_gb: 10, interface: file}
tasks:
  train:
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    env: {TOKEN: "{{ var.token }}"}
    volumes:
      - {volume: "{{ volume.data }}", mount_path: /data}
    command: sleep 1000
"""
RAISE = ("max_price_per_hour: 3.0", "max_price_per_hour: 4.0")


@pytest.fixture
def applied(inline: Inline) -> Inline:
    inline.write(STACK)
    inline.apply()
    return inline


def digest_in(text: str) -> str:
    found = re.search(r"^Digest: (sha256:[0-9a-f]{64})$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def prices(inline: Inline) -> list[str]:
    return [bid["limit_price"] for bid in inline.live_bids()]


# -- what has changed is named


def test_a_changed_state_is_refused_by_naming_its_records(applied: Inline) -> None:
    applied.edit(*RAISE)
    applied.run("plan", "--out", "p.fplan")
    applied.edit("size_gb: 10,", "size_gb: 10, name: other-name,")
    applied.edit("max_price_per_hour: 4.0", "max_price_per_hour: 5.0")
    applied.edit("volumes:\n  data", "volumes:\n  more: {size_gb: 1, interface: file}\n  data")
    applied.apply()
    ended = applied.run("apply", "p.fplan", code=8)
    assert "Saved plan is stale" in ended.err
    assert re.search(r"it was at serial \d+ and is at \d+", ended.err)
    for line in (
        "the record of task.train was changed",
        "the record of volume.data was changed",
        "volume.more was recorded",
    ):
        assert line in ended.err
    assert prices(applied) == ["$5.00"]


def test_an_object_that_vanished_since_is_named(applied: Inline) -> None:
    applied.edit(*RAISE)
    applied.run("plan", "--out", "p.fplan")
    bid = applied.id_of("task.train")
    applied.api("DELETE", f"/v2/spot/bids/{bid}")
    ended = applied.run("apply", "p.fplan", code=8)
    assert f"task.train ({bid}) no longer exists at the provider, by " in ended.err
    assert applied.live_bids() == []


def test_an_attribute_that_another_hand_changed_is_named(applied: Inline) -> None:
    applied.edit(*RAISE)
    applied.run("plan", "--out", "p.fplan")
    applied.api("PATCH", f"/v2/spot/bids/{applied.id_of('task.train')}", {"limit_price": "$9.00"})
    ended = applied.run("apply", "p.fplan", code=8)
    assert "task.train: limit_price was 3.0 and is 9.0, by " in ended.err
    assert prices(applied) == ["$9.00"]


def test_a_task_that_was_paused_since_is_named(applied: Inline) -> None:
    applied.edit(*RAISE)
    applied.run("plan", "--out", "p.fplan")
    applied.api("PATCH", f"/v2/spot/bids/{applied.id_of('task.train')}", {"paused": True})
    ended = applied.run("apply", "p.fplan", code=8)
    assert re.search(r'task.train: status was "\w+" and is "paused"', ended.err), ended.err


def test_a_volume_that_a_new_task_needs_is_looked_at_too(applied: Inline) -> None:
    extra = STACK.replace("  train:\n", "  more:\n", 1).split("tasks:\n")[1]
    applied.write(STACK + extra)
    applied.run("plan", "--out", "p.fplan")
    applied.api("PATCH", f"/v2/volumes/{applied.id_of('volume.data')}", {"name": "renamed"})
    ended = applied.run("apply", "p.fplan", code=8)
    assert "volume.data is called 'renamed', and was 'saved-data'" in ended.err


def test_what_the_plan_does_not_touch_may_change(applied: Inline) -> None:
    applied.edit("volumes:\n  data", "volumes:\n  more: {size_gb: 1, interface: file}\n  data")
    applied.run("plan", "--out", "p.fplan")
    applied.api("PATCH", f"/v2/spot/bids/{applied.id_of('task.train')}", {"limit_price": "$9.00"})
    assert "1 added" in applied.run("apply", "p.fplan").out
    assert prices(applied) == ["$9.00"]


# -- the stack's files


def test_an_edited_stack_is_warned_of_by_its_file(inline: Inline) -> None:
    inline.write(STACK)
    inline.run("plan", "--out", "p.fplan")
    inline.edit("max_price_per_hour: 3.0", "max_price_per_hour: 9.0")
    ended = inline.run("apply", "p.fplan")
    assert "Warning: The stack has changed since the plan was made" in ended.err
    assert "stack.yaml was edited. The plan is applied as it was made, without that." in ended.err
    assert prices(inline) == ["$3.00"]


def test_files_of_a_folder_that_came_and_went_are_warned_of(inline: Inline) -> None:
    inline.write(STACK, "s/stack.yaml")
    inline.write("volumes: {b: {size_gb: 1, interface: file}}\n", "s/b.yaml")
    inline.run("plan", "s", "--out", "p.fplan")
    (inline.root / "s/b.yaml").unlink()
    inline.write("volumes: {c: {size_gb: 1, interface: file}}\n", "s/c.yaml")
    ended = inline.run("apply", "p.fplan")
    assert "b.yaml is not there any more, c.yaml is new" in ended.err
    assert len(inline.live_volumes()) == 2


def test_an_untouched_stack_is_not_warned_of(inline: Inline) -> None:
    inline.write(STACK)
    inline.run("plan", "--out", "p.fplan")
    assert inline.run("apply", "p.fplan").err == ""


READS = STACK.replace("command: sleep 1000", "command: \"{{ file('job.sh') }}\"")


def test_a_file_that_the_stack_reads_is_refused_by_name(inline: Inline) -> None:
    inline.write(READS)
    inline.write("sleep 1000\n", "job.sh")
    inline.run("plan", "--out", "p.fplan")
    assert "sleep 1000" in inline.run("show", "p.fplan").out
    inline.write("sleep 2000\n", "job.sh")
    ended = inline.run("apply", "p.fplan", code=8)
    assert "Since the plan was made job.sh was changed, and the stack reads that." in ended.err
    (inline.root / "job.sh").unlink()
    ended = inline.run("apply", "p.fplan", code=8)
    assert "job.sh was changed, and the stack cannot be read any more" in ended.err
    inline.write("sleep 1000\n", "job.sh")
    inline.run("apply", "p.fplan")


def test_a_module_that_was_edited_is_refused_by_name(inline: Inline) -> None:
    inline.write("volumes: {v: {size_gb: 1, interface: file}}\n", "m/main.yaml")
    inline.write("stack: s\nmodules: {one: {source: ./m}}\n")
    inline.run("plan", "--out", "p.fplan")
    inline.write("volumes: {v: {size_gb: 2, interface: file}}\n", "m/main.yaml")
    assert "m/main.yaml was changed" in inline.run("apply", "p.fplan", code=8).err


def test_code_that_was_edited_is_refused_by_its_folder(inline: Inline) -> None:
    inline.write(STACK.replace("upload_code: false", "upload_code: true\n    code_root: src"))
    inline.write("print(1)\n", "src/a.py")
    inline.run("plan", "--out", "src/p.fplan")
    inline.write("print(2)\n", "src/a.py")
    assert "src (the code to upload) was changed" in inline.run("apply", "src/p.fplan", code=8).err
    inline.write("print(1)\n", "src/a.py")
    inline.run("apply", "src/p.fplan")


def test_a_plan_file_may_lie_anywhere(inline: Inline, tmp_path: Path) -> None:
    inline.write(STACK)
    inline.run("plan", "--out", str(tmp_path / "p.fplan"))
    assert inline.run("apply", str(tmp_path / "p.fplan")).err == ""
    assert len(inline.live_bids()) == 1 and not (tmp_path / "state").exists()


def test_a_plan_of_a_stack_that_is_not_here(inline: Inline, tmp_path: Path) -> None:
    inline.write(STACK, "deep/stack.yaml")
    inline.run("plan", "deep", "--out", str(tmp_path / "p.fplan"))
    (inline.root / "deep/stack.yaml").unlink()
    (inline.root / "deep").rmdir()
    ended = inline.run("apply", str(tmp_path / "p.fplan"), code=1)
    assert "is a plan for the stack deep, which is not here" in ended.err


# -- secrets


def test_a_secret_is_in_no_plan_file_and_another_one_is_refused(
    inline: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline.write(STACK)
    for number, code in ((1, 0), (2, 8)):
        monkeypatch.setenv("FLOWPLAN_VAR_token", "hush-hush-1")
        inline.run("plan", "--out", "p.fplan")
        path = inline.root / "p.fplan"
        assert "hush-hush" not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        monkeypatch.setenv("FLOWPLAN_VAR_token", f"hush-hush-{number}")
        ended = inline.run("apply", "p.fplan", code=code)
        if code:
            assert "other values of token (sensitive)" in ended.err
            assert "hush" not in ended.text
        inline.edit(*(("sleep 1000", "sleep 2000") if number == 1 else ("sleep 2000", "sleep 3000")))


# -- damage


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("3.0", "9.0"), "Its content does not match its seal"),
        (lambda text: text[: len(text) // 2], "It cannot be read as a plan"),
        (lambda text: "{}", "it holds no flowplan plan"),
        (lambda text: '{"flowplan_plan": 1}', "It has format 1; this version of flowplan knows format 2"),
        (lambda text: '{"flowplan_plan":2}', "Its content does not match its seal"),
        (lambda text: "[" * 100_000, "no stack"),
    ],
)
def test_a_damaged_plan_file(inline: Inline, spoil: object, said: str) -> None:
    inline.write(STACK)
    inline.run("plan", "--out", "p.fplan")
    path = inline.root / "p.fplan"
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    ended = inline.run("apply", "p.fplan", "--auto-approve", code=1)
    if said != "no stack":
        assert "p.fplan is not a usable plan file" in ended.err and said in ended.err
    assert not (inline.root / "state" / "flowplan.db").exists()


def test_a_plan_file_that_is_far_too_large(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.cli.saved.LIMIT_BYTES", 1000)
    inline.write(STACK)
    inline.run("plan", "--out", "p.fplan")
    assert "p.fplan is too large to be a plan file" in inline.run("apply", "p.fplan", code=1).err


# -- approval


def test_the_digest_is_of_what_is_done_and_of_nothing_else(applied: Inline) -> None:
    applied.edit(*RAISE)
    text = applied.run("plan").out
    digest = digest_in(text)
    document = applied.run("plan", "--json", "--out", "p.fplan").json()
    assert document["digest"] == digest
    assert applied.run("show", "p.fplan", "--json").json()["digest"] == digest
    assert digest_in(applied.run("show", "p.fplan").out) == digest
    applied.edit("stack: saved", "# a comment\nstack: saved")
    assert digest_in(applied.run("plan").out) == digest, "where a cause stands is no part of it"
    applied.edit("max_price_per_hour: 4.0", "max_price_per_hour: 4.5")
    assert digest_in(applied.run("plan").out) != digest


def test_an_approved_digest_stands_for_yes(inline: Inline) -> None:
    inline.write(STACK)
    digest = digest_in(inline.run("plan").out)
    inline.run("apply", "--approve", digest)
    assert len(inline.live_bids()) == 1


def test_another_plan_than_the_approved_one_is_refused(inline: Inline) -> None:
    inline.write(STACK)
    digest = digest_in(inline.run("plan", "--out", "p.fplan").out)
    inline.edit(*RAISE)
    for path in (".", "stack.yaml"):
        ended = inline.run("apply", path, "--approve", digest, code=8)
        assert "This is not the plan that was approved" in ended.err and digest in ended.err
    inline.run("plan", "--out", "other.fplan")
    ended = inline.run("apply", "other.fplan", "--approve", digest, code=8)
    assert "This is not the plan that was approved" in ended.err
    assert not (inline.root / "state" / "flowplan.db").exists()
    inline.run("apply", "p.fplan", "--approve", digest.removeprefix("sha256:"))
    assert prices(inline) == ["$3.00"]


def test_another_secret_is_another_plan(applied: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_VAR_token", "first-secret")
    digest = digest_in(applied.run("plan").out)
    assert digest_in(applied.run("plan").out) == digest
    monkeypatch.setenv("FLOWPLAN_VAR_token", "second-secret")
    applied.run("apply", "--approve", digest, code=8)
    monkeypatch.setenv("FLOWPLAN_VAR_token", "first-secret")
    applied.run("apply", "--approve", digest)


@pytest.mark.parametrize("text", ["sha256:12", "yes", "sha512:" + "a" * 64])
def test_what_is_no_digest_is_refused(inline: Inline, text: str) -> None:
    inline.write(STACK)
    assert "is not a digest" in inline.run("apply", "--approve", text, code=64).err
