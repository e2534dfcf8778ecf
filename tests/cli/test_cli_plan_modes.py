"""Every line of what planning can do, from YAML through the command line to the sandbox and back."""

from __future__ import annotations

import json
import re

import pytest
from inline import Inline

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.members import set_quota

pytestmark = pytest.mark.process

HEAD = "stack: modes\nprovider: {region: us-central1-b}\n"
V = "{size_gb: 10, interface: file%s}"
T = "{instance_type: a100, max_price_per_hour: 3.0, upload_code: false, command: sleep 1000%s}"


def stack(volumes: dict[str, str] | None = None, tasks: dict[str, str] | None = None, more: str = "") -> str:
    """A stack; each resource is given by what its body says besides the usual."""
    lines = [HEAD + more]
    for section, usual, bodies in (("volumes", V, volumes or {}), ("tasks", T, tasks or {})):
        if bodies:
            rows = [f"  {name}: {usual % (f', {body}' if body else '')}" for name, body in bodies.items()]
            lines.append(f"{section}:\n" + "\n".join(rows) + "\n")
    return "\n".join(lines)


def unchanged(inline: Inline) -> None:
    assert "No changes." in inline.run("plan", "--detailed-exitcode").out


def actions(inline: Inline, *arguments: str, code: int = 0) -> dict[str, str]:
    document = inline.run("plan", "--json", *arguments, code=code).json()
    return {change["address"]: ",".join(change["actions"]) for change in document["resource_changes"]}


def mount(volume: str, path: str = "/v") -> str:
    return f"volumes: [{{volume: '{{{{ volume.{volume} }}}}', mount_path: {path}}}]"


# -- moved, removed, imports


def test_moved_gives_a_record_another_address_and_touches_nothing(inline: Inline) -> None:
    inline.write(stack({"old": "name: kept"}, {"t": ""}))
    inline.apply()
    id = inline.id_of("volume.old")
    moved = "moved: [{from: volume.old, to: volume.new}, {from: task.t, to: 'task.t[\"a\"]'}]\n"
    inline.write(stack({"new": "name: kept"}, {"t": "for_each: [a], name: t"}, moved))
    out = inline.run("plan").out
    assert "# volume.old has moved to volume.new" in out and '# task.t has moved to task.t["a"]' in out
    assert actions(inline) == {}
    inline.run("plan", "--out", "p.fplan")
    assert "0 added, 0 changed, 0 destroyed" in inline.run("apply", "p.fplan").out
    assert inline.id_of("volume.new") == id
    assert inline.run("state", "list").out == 'volume.new\ntask.t["a"]\n'
    unchanged(inline)


def test_a_rename_that_is_not_declared_is_offered_and_not_assumed(inline: Inline) -> None:
    inline.write(stack({"old": "name: kept"}))
    inline.apply()
    inline.write(stack({"new": "name: kept"}))
    ended = inline.run("plan", code=4)
    assert "moved" in ended.err and "volume.new" in ended.err
    assert actions(inline, code=4) == {"volume.old": "delete", "volume.new": "create"}


def test_removed_lets_go_of_what_lives_on(inline: Inline) -> None:
    inline.write(stack({"a": "", "b": ""}))
    inline.apply()
    removed = "removed: [{from: volume.a, destroy: false}, {from: volume.b, destroy: true}]\n"
    inline.write(stack(more=removed))
    assert actions(inline, "--allow-data-loss", "volume.b") == {"volume.a": "forget", "volume.b": "delete"}
    assert "volume.a will no longer be managed, but will not be destroyed" in inline.run("plan", code=4).out
    inline.apply("--allow-data-loss", "volume.b")
    assert [volume["name"] for volume in inline.live_volumes()] == ["modes-a"]
    assert inline.run("state", "list").out == ""
    unchanged(inline)


def test_imports_by_id_and_by_name_show_what_differs(inline: Inline) -> None:
    inline.write(stack({"seed": ""}))
    inline.apply()
    project = inline.project
    made = [
        inline.api(
            "POST",
            "/v2/volumes",
            {
                "name": name,
                "project": project,
                "disk_interface": "File",
                "region": "us-central1-b",
                "size_gb": 10,
            },
        )["fid"]
        for name in ("first", "second")
    ]
    imports = f"imports: [{{to: volume.one, id: {made[0]}}}, {{to: volume.two, name: second}}]\n"
    inline.write(stack({"seed": "", "one": "name: first", "two": "name: other"}, more=imports))
    out = inline.run("plan").out
    assert "# volume.one will be imported" in out and "# volume.two will be updated in-place" in out
    assert '~ name = "second" -> "other"' in out and "Plan: 2 to import, 0 to add, 1 to change" in out
    inline.apply()
    assert [inline.id_of("volume.one"), inline.id_of("volume.two")] == made
    assert {volume["name"] for volume in inline.live_volumes()} == {"modes-seed", "first", "other"}
    unchanged(inline)
    inline.edit("name: other}", "name: other}\n  three: {size_gb: 1, interface: file}")
    inline.edit("{to: volume.two, name: second}", "{to: volume.three, name: nowhere}")
    assert "There is no volume nowhere in this project to import" in inline.run("plan", code=1).err


# -- scope


@pytest.mark.parametrize("option", ["--target", "--exclude", "--replace"])
def test_what_matches_nothing_is_an_error(inline: Inline, option: str) -> None:
    inline.write(stack({"data": ""}))
    inline.apply()
    ended = inline.run("plan", option, "volume.dta*", code=1)
    assert f"{option} volume.dta* matches nothing" in ended.err
    assert "flowplan state list" in ended.err or "Did you mean" in ended.err


def test_targets_and_excludes_take_patterns_and_what_is_needed_comes_along(inline: Inline) -> None:
    inline.write(stack({"a": "", "b": ""}, {"x": mount("a"), "y": ""}))
    assert list(actions(inline, "--target", "task.x")) == ["volume.a", "task.x"]
    assert list(actions(inline, "--target", "volume.*")) == ["volume.a", "volume.b"]
    assert list(actions(inline, "--exclude", "volume.a")) == ["volume.b", "task.y"]
    ended = inline.apply("--target", "task.x")
    assert "The plan is partial" in ended.err and "task.y" in ended.err
    assert inline.run("state", "list").out == "volume.a\ntask.x\n"
    inline.apply()
    unchanged(inline)


def test_replace_refresh_only_and_no_refresh(inline: Inline) -> None:
    inline.write(stack(tasks={"t": "", "u": ""}))
    inline.apply()
    before = inline.id_of("task.t")
    assert actions(inline, "--replace", "task.t") == {"task.t": "delete,create"}
    inline.apply("--replace", "task.t")
    assert inline.id_of("task.t") != before
    inline.api("PATCH", f"/v2/spot/bids/{inline.id_of('task.u')}", {"limit_price": "$9.00"})
    inline.api("DELETE", f"/v2/spot/bids/{inline.id_of('task.t')}")
    assert actions(inline, "--refresh=false") == {}
    out = inline.run("plan", "--refresh-only").out
    assert "# task.t no longer exists at the provider" in out and "limit_price = 3.0 -> 9.0" in out
    assert "to add" not in out
    inline.apply("--refresh-only")
    assert inline.run("state", "list").out == "task.u\n"
    assert [bid["limit_price"] for bid in inline.live_bids()] == ["$9.00"]
    assert actions(inline) == {"task.t": "create", "task.u": "update"}


# -- lifecycle


def test_protection_outlives_its_block(inline: Inline) -> None:
    inline.write(stack({"data": "lifecycle: {prevent_destroy: true}"}, {"t": ""}))
    inline.apply()
    inline.write(stack(tasks={"t": ""}))
    ended = inline.run("plan", "--allow-data-loss", "**", code=1)
    assert "volume.data is protected from being destroyed" in ended.err
    assert "taking its block or the line away does not lift that" in ended.err
    assert "# PROTECTED: prevent_destroy is set" in ended.out
    assert "is protected" in inline.run("destroy", "--auto-approve", code=1).err
    inline.write(stack({"data": "lifecycle: {prevent_destroy: false}"}, {"t": ""}))
    inline.apply()
    inline.write(stack(tasks={"t": ""}))
    inline.apply("--allow-data-loss", "volume.data")
    assert inline.live_volumes() == []


def test_ignored_paths_and_wildcards(inline: Inline) -> None:
    life = "lifecycle: {ignore_changes: [image, 'env.*', max_price_per_hour]}"
    inline.write(stack(tasks={"t": f"image: one, env: {{A: '1', B: '1'}}, {life}"}))
    inline.apply()
    inline.edit("image: one, env: {A: '1', B: '1'}", "image: two, env: {A: '2', C: '1'}")
    inline.edit("max_price_per_hour: 3.0", "max_price_per_hour: 5.0")
    unchanged(inline)
    inline.edit("sleep 1000", "sleep 2000")
    assert actions(inline) == {"task.t": "delete,create"}
    inline.apply()
    (bid,) = inline.live_bids()
    assert bid["limit_price"] == "$5.00", "what is made anew is made as the stack says"
    inline.write(stack(tasks={"t": "env: {A: '9'}, lifecycle: {ignore_changes: ['*']}"}))
    unchanged(inline)


def test_a_trigger_replaces_what_names_it(inline: Inline) -> None:
    inline.write(
        stack(tasks={"a": "image: one", "b": "lifecycle: {replace_triggered_by: [task.a.image]}", "c": ""})
    )
    inline.apply()
    inline.edit("image: one", "image: two")
    assert actions(inline) == {"task.a": "delete,create", "task.b": "delete,create"}
    assert "task.a.image changed, and replace_triggered_by names it" in inline.run("plan").out
    inline.apply()
    unchanged(inline)


def test_made_before_destroyed(inline: Inline) -> None:
    inline.write(stack(tasks={"t": "image: one, lifecycle: {create_before_destroy: true}"}))
    inline.apply()
    old = inline.id_of("task.t")
    inline.edit("image: one", "image: two")
    assert actions(inline) == {"task.t": "create,delete"}
    out = inline.apply().out
    assert out.index("Creation complete") < out.index("Destruction complete") and old in out
    assert len(inline.live_bids()) == 1 and inline.id_of("task.t") != old
    unchanged(inline)
    inline.write(stack({"v": "name: same, lifecycle: {create_before_destroy: true}"}))
    inline.apply()
    inline.edit("size_gb: 10", "size_gb: 20")
    ended = inline.run("plan", "--allow-data-loss", "**", code=1)
    assert "both would be called 'same'" in ended.err


def test_what_is_retained_is_forgotten(inline: Inline) -> None:
    inline.write(stack({"v": "lifecycle: {on_remove: retain}"}, {"t": ""}))
    inline.apply()
    inline.write(stack(tasks={"t": ""}))
    assert actions(inline) == {"volume.v": "forget"}
    inline.apply()
    assert len(inline.live_volumes()) == 1
    unchanged(inline)


# -- losses


def test_data_loss_is_refused_unless_it_is_allowed_by_name(inline: Inline) -> None:
    inline.write(stack({"a": "", "b": ""}))
    inline.apply()
    inline.edit("size_gb: 10", "size_gb: 20")
    ended = inline.run("apply", "--auto-approve", code=4)
    assert "DATA LOSS: volume.a would be destroyed and made anew, empty" in ended.err
    assert "add --allow-data-loss 'volume.a'" in ended.err
    assert "# DATA LOSS: all data on the volume is gone for good" in ended.out
    assert "volume.b would be" in inline.run("plan", "--allow-data-loss", "volume.a", code=4).err
    inline.apply("--allow-data-loss", "volume.*")
    assert {volume["capacity_gb"] for volume in inline.live_volumes()} == {20}
    unchanged(inline)


RESERVED = (
    HEAD + "reservations:\n  r: {instance_type: 8xh100, quantity: 4, "
    "start_time_utc: 2099-01-01T00:00:00Z, duration_hours: 72}\n"
)


@pytest.fixture
def reserved(inline: Inline) -> Inline:
    """A reservation that begins in three hours."""
    from datetime import UTC, datetime, timedelta

    start = (datetime.now(UTC) + timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    inline.write(RESERVED.replace("2099-01-01T00:00:00Z", start.strftime("%Y-%m-%dT%H:%M:%SZ")))
    return inline


def test_a_reservation_is_quoted_bought_extended_and_forgotten(reserved: Inline) -> None:
    document = reserved.run("plan", "--json").json()
    (change,) = document["resource_changes"]
    assert change["costs_usd"] == document["costs"]["committed_usd"] > 0
    unit = change["after"]["max_unit_price_usd"]
    assert round(unit * 4 * 72, 2) == change["costs_usd"]
    out = reserved.run("plan").out
    assert f"# this costs ${change['costs_usd']:,.2f}, paid when it is made" in out
    assert f"Costs: ${change['costs_usd']:,.2f} committed at once." in out
    reserved.apply()
    reserved.edit("duration_hours: 72", "duration_hours: 96")
    out = reserved.run("plan").out
    assert f"# this costs about ${change['costs_usd'] / 3:,.2f} more" in out
    reserved.apply()
    unchanged(reserved)
    reserved.edit("duration_hours: 96", "duration_hours: 90")
    assert "duration_hours cannot be changed" in reserved.run("plan", code=1).err
    reserved.edit("duration_hours: 90", "duration_hours: 96")
    reserved.edit("quantity: 4", "quantity: 3")
    assert "has not begun, so it has nothing to give back yet" in reserved.run("plan", code=1).err
    reserved.write(HEAD)
    ended = reserved.run("apply", "--auto-approve", code=4)
    paid = change["costs_usd"] * 4 / 3
    assert f"COMMITTED: reservation.r would give up ${paid:,.2f} already paid" in ended.err
    assert f"# COMMITTED: ${paid:,.2f} already paid is given up" in ended.out
    ended = reserved.apply("--allow-commitment-loss", "reservation.r")
    assert "cannot be cancelled" in ended.err
    assert reserved.run("state", "list").out == ""


def test_capacity_is_given_back_once_it_has_begun(reserved: Inline) -> None:
    reserved.apply()
    reserved.run("sandbox", "clock", "advance", "4h")
    reserved.edit("quantity: 4", "quantity: 3")
    ended = reserved.run("plan", code=4)
    amount = re.search(r"COMMITTED: reservation.r would give up \$([\d,.]+) already paid", ended.err)
    assert amount is not None and 0 < float(amount[1].replace(",", "")) < 4 * 72 * 16.0 / 4
    reserved.apply("--allow-commitment-loss", "reservation.r")
    (found,) = reserved.api("GET", f"/v2/reservation?project={reserved.project}")["data"]
    assert found["instance_quantity"] == 3
    unchanged(reserved)


def test_volumes_are_attached_to_a_reservation_in_place(reserved: Inline) -> None:
    text = (reserved.root / "stack.yaml").read_text()
    text += "volumes: {a: {size_gb: 1, interface: file}, b: {size_gb: 1, interface: file}}\n"
    reserved.write(text)
    reserved.apply()
    reserved.edit("duration_hours: 72}", "duration_hours: 72, volumes: ['{{ volume.a }}', '{{ volume.b }}']}")
    assert actions(reserved) == {"reservation.r": "update"}
    reserved.apply()
    unchanged(reserved)
    reserved.edit(", '{{ volume.b }}'", "")
    reserved.apply()
    (found,) = reserved.api("GET", f"/v2/reservation?project={reserved.project}")["data"]
    assert found["launch_specification"]["volumes"] == [reserved.id_of("volume.a")]
    unchanged(reserved)


def test_a_quota_that_does_not_hold_it_is_told_beforehand(inline: Inline) -> None:
    inline.write(stack({"a": "", "b": ""}))
    inline.run("plan")
    sandbox = open_sandbox(inline.root / "state" / "sandbox")
    set_quota(sandbox, "Storage", 15)
    sandbox.close()
    ended = inline.run("plan")
    assert "The quota Storage has 15 GB left, and this needs 20 more" in ended.err
    assert "More is needed by volume.a, volume.b" in ended.err
    assert "quota" in inline.run("apply", "--auto-approve", code=5).err.lower()


# -- attachments


def test_a_block_volume_changes_hands_in_order(inline: Inline) -> None:
    block = {"v": "name: disk"}
    text = stack(block, {"a": mount("v"), "b": ""}).replace("interface: file", "interface: block")
    inline.write(text)
    inline.apply()
    inline.write(stack(block, {"a": "", "b": mount("v")}).replace("interface: file", "interface: block"))
    assert actions(inline) == {"task.a": "update", "task.b": "delete,create"}
    steps = inline.run("plan", "--json").json()["steps"]
    needs = {step["id"]: step["needs"] for step in steps}
    assert "update task.a" in needs["create task.b"], "taken only after the other has let go"
    inline.apply()
    held = {
        bid["name"].rpartition("-")[0]: bid["launch_specification"]["volumes"] for bid in inline.live_bids()
    }
    assert held == {"a": [], "b": [inline.id_of("volume.v")]}
    unchanged(inline)


def test_what_is_destroyed_is_let_go_of_first(inline: Inline) -> None:
    inline.write(stack({"v": "", "w": ""}, {"t": mount("v")}))
    inline.apply()
    inline.write(stack({"w": ""}, {"t": ""}))
    needs = {
        step["id"]: step["needs"]
        for step in inline.run("plan", "--json", "--allow-data-loss", "**").json()["steps"]
    }
    assert needs["delete volume.v"] == ["update task.t"]
    inline.apply("--allow-data-loss", "**")
    unchanged(inline)


def test_one_block_volume_is_for_one_instance_and_region(inline: Inline) -> None:
    shared = stack({"v": ""}, {"a": mount("v"), "b": mount("v")})
    inline.write(shared)
    inline.run("plan")  # a file volume is for many
    inline.write(shared.replace("interface: file", "interface: block"))
    assert "both use volume.v, which can be used by one at a time" in inline.run("plan", code=1).err
    text = stack({"v": ""}, {"a": mount("v") + ", num_instances: 2"})
    inline.write(text.replace("interface: file", "interface: block"))
    assert "interface 'block' cannot be shared by 2 instances" in inline.run("plan", code=1).err
    inline.write(stack({"v": ""}, {"a": mount("v") + ", region: us-central2-a"}))
    ended = inline.run("plan", code=1)
    assert "us-central2-a" in ended.err and "volume.v" in ended.err


# -- the life of a task


def test_a_completed_task_is_satisfied(inline: Inline) -> None:
    inline.write(stack(tasks={"t": ""}).replace("sleep 1000", "echo hi"))
    inline.apply()
    inline.run("wait", "task.t")
    unchanged(inline)
    inline.edit("echo hi", "echo ho")
    out = inline.run("plan").out
    assert "command changed, so the completed task runs again" in out
    inline.edit("upload_code: false", "upload_code: false, lifecycle: {rerun: never}")
    unchanged(inline)
    inline.edit("rerun: never", "rerun: always")
    assert "lifecycle.rerun is always" in inline.run("plan", "--json").out or actions(inline)


def test_a_failed_task_is_told_and_left(inline: Inline) -> None:
    inline.write(stack(tasks={"t": ""}).replace("sleep 1000", "exit 3"))
    inline.apply()
    inline.run("wait", "task.t", code=1)
    unchanged(inline)
    inline.edit("exit 3", "exit 0")
    assert "command changed, so the completed task runs again" in inline.run("plan").out
    inline.edit("upload_code: false", "upload_code: false, lifecycle: {rerun: never}")
    ended = inline.run("plan", "--detailed-exitcode")
    assert "No changes." in ended.out and "task.t has failed with exit code 3" in ended.err


def test_a_lost_task_is_made_again_or_kept_or_complained_of(inline: Inline) -> None:
    inline.write(stack(tasks={"a": "", "b": "lifecycle: {on_lost: keep}", "c": "lifecycle: {on_lost: fail}"}))
    inline.apply()
    for name in "abc":
        inline.api("DELETE", f"/v2/spot/bids/{inline.id_of(f'task.{name}')}")
    ended = inline.run("plan", "--json", code=1)
    document = json.loads(ended.out)
    assert {c["address"]: c["actions"] for c in document["resource_changes"]} == {"task.a": ["create"]}
    assert "task.c was lost" in ended.err
    assert "lifecycle.on_lost is keep" in inline.run("explain", "task.b").out


# -- where the stack is


def test_a_folder_and_the_only_stack_in_it_are_one_stack(inline: Inline) -> None:
    inline.write(stack({"v": ""}))
    inline.apply()
    assert "No changes." in inline.run("plan", "stack.yaml").out
    inline.apply("stack.yaml")
    unchanged(inline)
    inline.write(stack({"w": ""}), "other.yaml")
    assert "Two stacks are called modes" in inline.run("plan", "other.yaml", code=1).err


def test_what_is_no_plan_is_not_explained(inline: Inline) -> None:
    inline.write(stack(tasks={"a": "depends_on: [task.b]", "b": "depends_on: [task.a]"}))
    ended = inline.run("explain", "task.a", code=1)
    assert "dependency cycle" in ended.err and ended.out == ""
