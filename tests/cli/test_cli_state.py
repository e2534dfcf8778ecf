"""What is recorded, what was, and editing it by hand: as its user does it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from inline import Inline

from flowplan.backend.sqlite import SqliteBackend
from flowplan.state.journal import Entry, Operation
from flowplan.state.schema import state_schema
from flowplan.values.address import Address
from flowplan.values.quantity import parse_instant

STACK = """\
stack: train
variables: {token: {type: string, sensitive: true, default: hush-hush-7}}
volumes:
  data: {size_gb: 1, interface: file}
tasks:
  prep:
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    env: {TOKEN: "{{ var.token }}"}
    volumes: [{volume: "{{ volume.data }}", mount_path: /data}]
    command: echo prep
  each:
    for_each: [a, b]
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    command: "echo {{ each.key }}"
outputs:
  data: {value: "{{ volume.data.volume_id }}"}
"""
ALL = ["volume.data", 'task.each["a"]', 'task.each["b"]', "task.prep"]


@pytest.fixture
def applied(inline: Inline) -> Inline:
    inline.write(STACK)
    inline.apply()
    return inline


def listed(inline: Inline, *arguments: str) -> list[str]:
    return inline.run("state", "list", *arguments).out.splitlines()


def serial(inline: Inline) -> int:
    return int(inline.run("state", "list", "--json").json()["serial"])


def unchanged(inline: Inline) -> bool:
    return "No changes." in inline.run("plan", "--detailed-exitcode").out


def pulled(inline: Inline, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = inline.run("state", "pull", *arguments).json()
    jsonschema_rs.validator_for(state_schema()).validate(document)
    return document


def test_listing_takes_addresses_modules_patterns_and_ids(applied: Inline) -> None:
    assert listed(applied) == ALL
    assert listed(applied, "task.each") == ALL[1:3] == listed(applied, "task.e*")
    assert listed(applied, "--id", applied.id_of("volume.data")) == ["volume.data"]
    assert "matches nothing" in applied.run("state", "list", "task.eech", code=1).err


def test_what_was_can_be_looked_at(applied: Inline) -> None:
    applied.edit(
        "max_price_per_hour: 3.0\n    upload_code: false\n    env",
        "max_price_per_hour: 4.0\n    upload_code: false\n    env",
    )
    before = serial(applied)
    applied.apply()
    now = serial(applied)
    assert now > before
    history = applied.run("state", "history", "--json", "--limit", "0").json()["serials"]
    assert [one["serial"] for one in history] == list(range(now, 0, -1))
    assert history[0]["operation"] == "apply" and history[0]["resources"] == 4
    touched = {change["address"] for one in history for change in one["changes"]}
    assert touched == {*ALL, "outputs"}
    shown = applied.run("state", "history", "--limit", "1").out
    assert "task.prep" in shown and "Earlier ones" in shown
    diff = applied.run("state", "diff", str(before)).out
    assert "~ task.prep" in diff and "max_price_per_hour: 3.0 -> 4.0" in diff and "volume" not in diff
    document = applied.run("state", "diff", str(before), str(now), "--json").json()
    assert [one["address"] for one in document["resources"]] == ["task.prep"]
    assert "say the same" in applied.run("state", "diff", str(now)).out
    then = applied.run("state", "show", "task.prep", "--serial", str(before), "--json").json()
    assert then["config"]["max_price_per_hour"] == 3.0
    assert applied.run("state", "show", "task.prep", "--json").json()["config"]["max_price_per_hour"] == 4.0
    assert "serial" in applied.run("state", "show", "--serial", "2").out
    assert listed(applied, "--serial", "2") == ["volume.data"] or len(listed(applied, "--serial", "2")) == 1
    assert f"newest serial is {now}" in applied.run("state", "diff", "99", code=1).err


def test_no_secret_is_in_anything_that_is_printed(applied: Inline) -> None:
    for command in (
        ["pull"],
        ["show"],
        ["show", "--json"],
        ["history"],
        ["diff", "1"],
        ["diff", "1", "--json"],
    ):
        assert "hush" not in applied.run("state", *command).text
    assert "(sensitive value)" in applied.run("state", "show", "task.prep").out
    assert '"$fingerprint"' in applied.run("state", "pull").out


def test_a_record_moves_and_what_names_it_follows(applied: Inline) -> None:
    before = serial(applied)
    assert (
        "Would move volume.data to volume.store"
        in applied.run("state", "mv", "volume.data", "volume.store", "--dry-run").out
    )
    assert serial(applied) == before and listed(applied) == ALL
    applied.run("state", "mv", "volume.data", "volume.store")
    applied.run("state", "mv", "task.each", "task.every")
    assert listed(applied) == ["volume.store", 'task.every["a"]', 'task.every["b"]', "task.prep"]
    assert applied.run("state", "show", "task.prep", "--json").json()["dependencies"] == ["volume.store"]
    applied.run("state", "mv", "volume.store", "volume.data")
    applied.run("state", "mv", "task.every", "task.each")
    assert unchanged(applied), "nothing was changed at the provider, nor of the records"
    for source, target, word in (
        ("task.prep", 'task.each["a"]', "taken"),
        ("task.prep", "volume.prep", "not of one kind"),
        ("task.prepp", "task.x", "task.prep"),
        ("module.a", "task.x", "other a module"),
        ("what", "task.x", "neither an address nor a module"),
    ):
        assert word in applied.run("state", "mv", source, target, code=1).err


def test_what_is_taken_off_the_record_goes_on_and_comes_back(applied: Inline) -> None:
    before, bids = serial(applied), len(applied.live_bids())
    ids = [applied.id_of(address) for address in ALL[1:3]]
    shown = applied.run("state", "rm", "task.each", "--dry-run").out
    assert all(one in shown for one in ids) and serial(applied) == before
    said = applied.run("state", "rm", "task.each").out
    assert all(one in said for one in ids) and f"rollback {before}" in said
    assert listed(applied) == ["volume.data", "task.prep"] and len(applied.live_bids()) == bids
    assert "matches nothing" in applied.run("state", "rm", "task.nobody", code=1).err
    applied.run("state", "rollback", str(before), "--auto-approve")
    assert listed(applied) == ALL and serial(applied) == before + 2
    assert unchanged(applied)


def test_a_rollback_never_lets_go_of_an_object_unasked(applied: Inline) -> None:
    before = serial(applied)
    applied.write(STACK + "\n")
    applied.edit("for_each: [a, b]", "for_each: [a, b, c]")
    applied.apply()
    id, after = applied.id_of('task.each["c"]'), serial(applied)
    refused = applied.run("state", "rollback", str(before), "--auto-approve", code=4)
    assert id in refused.err and "--keep-newer" in refused.err and serial(applied) == after
    shown = applied.run("state", "rollback", str(before), "--dry-run", "--forget-newer")
    assert f'- task.each["c"] [id={id}]' in shown.out and serial(applied) == after
    assert "needs an answer" in applied.run("state", "rollback", str(before), "--forget-newer", code=1).err
    applied.run("state", "rollback", str(before), "--auto-approve", "--keep-newer")
    assert 'task.each["c"]' in listed(applied) and unchanged(applied)
    applied.run("state", "rollback", str(before), "--auto-approve", "--forget-newer", "--out", "old.json")
    assert listed(applied) == ALL and applied.run("plan", "--detailed-exitcode", code=2).out
    assert "is what is recorded now" in applied.run("state", "rollback", str(before)).out
    assert json.loads(Path("old.json").read_text())["serial"] == serial(applied)
    assert applied.run("state", "rollback", str(before), "--keep-newer", "--forget-newer", code=64).err


def test_a_damaged_state_is_told_of_and_rolled_back_to_its_last_good_serial(applied: Inline) -> None:
    last = serial(applied)
    with closing(sqlite3.connect(applied.root / "state" / "flowplan.db")) as db:
        db.execute("DELETE FROM resources WHERE address LIKE 'task.each%'")
        db.commit()
    for command in (["plan"], ["state", "list"], ["apply", "--auto-approve"], ["state", "pull"]):
        ended = applied.run(*command, code=1)
        assert f"last good serial is {last}" in ended.err and "to add" not in ended.out
        assert "flowplan.db" in ended.err and f"flowplan state rollback {last} --stack train" in ended.err
    shown = applied.run("state", "rollback", str(last), "--dry-run")
    assert "damage would be mended" in shown.out
    applied.run("state", "rollback", str(last), "--auto-approve")
    assert listed(applied) == ALL and unchanged(applied)


def test_a_state_is_pulled_and_pushed(applied: Inline) -> None:
    document = pulled(applied)
    path = Path("state.json")

    def push(*arguments: str, code: int = 0, **changes: Any) -> str:
        path.write_text(json.dumps({**document, **changes}))
        return applied.run("state", "push", "state.json", *arguments, code=code).text

    last, lineage = document["serial"], document["lineage"]
    assert "says that already" in push()
    said = push(code=4, lineage="another")
    assert "another" in said and lineage in said
    said = push(code=4, serial=last - 1)
    assert f"serial {last - 1}" in said and f"serial {last}" in said
    said = push(code=4, outputs={"data": 1})
    assert f"Both are at serial {last}" in said
    assert serial(applied) == last
    fewer = document["resources"][:-1]
    assert "Would record" in push("--dry-run", serial=last + 5, resources=fewer) and serial(applied) == last
    said = push(serial=last + 5, resources=fewer)
    assert "object on record now will be on none" in said and "task.prep" in said
    assert serial(applied) == last + 5 and listed(applied) == ALL[:-1]
    assert pulled(applied, "--serial", str(last)) == document
    push(serial=last + 6)
    assert unchanged(applied)
    assert applied.run("state", "history", "--json").json()["serials"][0]["operation"] == "state push"


def test_a_pushed_state_founds_a_stack_where_there_was_none(applied: Inline) -> None:
    document = pulled(applied)
    Path("state.json").write_text(json.dumps(document))
    for file in Path("state").glob("flowplan.db*"):
        file.unlink()
    assert "new key" in applied.run("state", "push", "state.json").out
    assert pulled(applied) == document


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "no state document"),
        (b'{"flowplan_state": 99}', "version 99"),
        (b'{"flowplan_state": 1}', "stack: it is missing"),
        (
            b'{"flowplan_state": 1, "stack": "s", "lineage": "l", "serial": 1, "project": "", "source": "", '
            b'"outputs": {}, "resources": [{"address": "what"}, 7, {"address": "task.a", "id": "", "name": "n", "config": {}}]}',
            "is not an address",
        ),
        (
            b'{"flowplan_state": 1, "stack": "s", "lineage": "l", "serial": true, "project": "", "source": "", '
            b'"outputs": {}, "resources": []}',
            "serial: it must be a whole number",
        ),
        (
            b'{"flowplan_state": 1, "stack": "s", "lineage": "l", "serial": 1, "project": "", "source": "", '
            b'"outputs": {}, "resources": [{"address": "task.a", "id": "1", "name": "n", "config": {}}, '
            b'{"address": "task.b", "id": "1", "name": "n", "config": {}}]}',
            "both claim 1",
        ),
    ],
)
def test_what_is_no_state_is_not_pushed(inline: Inline, content: bytes, word: str) -> None:
    Path("state.json").write_bytes(content)
    assert word in inline.run("state", "push", "state.json", code=1).err
    assert not Path("state/flowplan.db").exists() or inline.run("state", "list", code=1)


def begun(inline: Inline) -> Entry:
    """An operation that began and did not end."""
    made = Entry(
        Operation.CREATE, Address.parse("task.lost"), "r", parse_instant("2026-11-23T10:00:00Z"), name="lost-1f"
    )  # fmt: skip
    with closing(SqliteBackend(inline.root / "state")) as backend:
        writer = backend.acquire("train", "", "apply", 0)
        writer.begin(made)
        writer.release()
    return made


def test_what_began_and_did_not_end_is_listed_and_keeps_edits_out(applied: Inline) -> None:
    assert "No operation" in applied.run("state", "operations").out
    begun(applied)
    shown = applied.run("state", "operations").out
    assert "task.lost: create" in shown and "lost-1f" in shown and "adopted" in shown
    document = applied.run("state", "operations", "--json").json()
    assert document["operations"][0]["name"] == "lost-1f" and document["lock"] is None
    Path("state.json").write_text(json.dumps({**pulled(applied), "serial": serial(applied) + 1}))
    for command in (
        ["mv", "task.prep", "task.x"],
        ["rm", "task.prep"],
        ["push", "state.json"],
        ["rollback", "2", "--auto-approve", "--forget-newer"],
    ):
        ended = applied.run("state", *command, code=9)
        assert "task.lost (create)" in ended.err and "flowplan recover" in ended.err
    assert listed(applied) == ALL


def test_a_lock_is_shown_and_taken_away_by_whoever_is_in_a_hurry(applied: Inline) -> None:
    assert "not locked" in applied.run("state", "unlock").out
    with closing(SqliteBackend(applied.root / "state")) as backend:
        writer = backend.acquire("train", "", "apply", 0)
        writer.progress(3, 7)
        writer.renew()
        held = applied.run("apply", "--auto-approve", code=0)
        assert "No changes" in held.text or held.code == 0, "there is nothing to do, so no lock is needed"
        ended = applied.run("state", "rm", "task.prep", code=7)
        for word in (
            f"ID:        {writer.info.id}",
            "Operation: apply",
            "3 of 7 steps done",
            "ago)",
            "process",
        ):
            assert word in ended.err
        assert "needs an answer" in applied.run("state", "unlock", code=1).err
        assert "another lock" in applied.run("state", "unlock", "some-id", "--auto-approve", code=1).err
        writer.check()
        assert "Unlocked" in applied.run("state", "unlock", writer.info.id, "--auto-approve").out
        with pytest.raises(Exception, match="lost"):
            writer.check()
    applied.run("state", "rm", "task.prep")


def test_the_length_of_a_lease_is_checked(applied: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("soon", "0s", "2d"):
        monkeypatch.setenv("FLOWPLAN_LEASE", wrong)
        assert "FLOWPLAN_LEASE" in applied.run("state", "list", code=1).err
    monkeypatch.setenv("FLOWPLAN_LEASE", "5s")
    assert listed(applied) == ALL
