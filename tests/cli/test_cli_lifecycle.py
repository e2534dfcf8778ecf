"""The life of a stack as its user sees it: made, changed in place, replaced, shown, destroyed."""

from __future__ import annotations

import re
import stat

import pytest
from flowplan_program import HELLO, Project, Served, wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def hello(project: Project) -> Project:
    """The hello stack, applied."""
    project.write(HELLO)
    project.apply()
    return project


def edit(project: Project, before: str, after: str) -> None:
    path = project.root / "stack.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def recorded_id(project: Project, address: str) -> str:
    return str(project.run("state", "show", address, "--json", code=0).json()["id"])


def unchanged(project: Project) -> None:
    assert "No changes." in project.run("plan", "--detailed-exitcode", code=0).out


def test_the_log_holds_the_greeting(hello: Project) -> None:
    log = hello.run("logs", "task.hello", code=0).out
    assert re.fullmatch(r"hello from hello-[0-9a-f]{6}\n", log)
    assert hello.run("logs", "-f", "task.hello", code=0).out == log
    assert hello.run("logs", "task.hello", "--tail", "0", code=0).out == ""


def test_following_a_log_goes_on_until_the_task_has_ended(project: Project) -> None:
    project.write(
        HELLO.replace('echo "hello', 'for i in 1 2 3; do echo "line $i"; sleep 0.2; done; echo "hello')
    )
    project.apply()
    lines = project.run("logs", "--follow", "task.hello", code=0).out.splitlines()
    assert lines[:3] == ["line 1", "line 2", "line 3"] and lines[3].startswith("hello from")
    assert project.run("logs", "task.hello", "--tail", "2", code=0).out.splitlines() == lines[-2:]


def test_a_new_price_is_set_in_place(hello: Project) -> None:
    before = recorded_id(hello, "task.hello")
    edit(hello, "max_price_per_hour: 3.0", "max_price_per_hour: 4.0")
    plan = hello.run("plan", code=0).out
    assert "task.hello will be updated in-place" in plan
    assert re.search(r"~ max_price_per_hour\s+= 3\.0 -> 4\.0", plan)
    assert "1 changed" in hello.apply().out
    assert recorded_id(hello, "task.hello") == before
    (bid,) = hello.embedded().live_bids()
    assert (bid["fid"], bid["limit_price"], bid["status"]) == (before, "$4.00", "Allocated")
    unchanged(hello)


def test_another_image_is_a_replacement(hello: Project) -> None:
    before = recorded_id(hello, "task.hello")
    edit(hello, "upload_code: false", "upload_code: false\n    image: ubuntu:24.04")
    plan = hello.run("plan", code=0).out
    assert "task.hello must be replaced" in plan and "# forces replacement" in plan
    assert "this loses" in plan
    assert "1 added, 0 changed, 1 destroyed" in hello.apply().out
    after = recorded_id(hello, "task.hello")
    assert after != before
    assert [bid["fid"] for bid in hello.embedded().live_bids()] == [after]
    unchanged(hello)


def test_a_volume_is_let_go_in_place_by_a_pause(hello: Project) -> None:
    before = recorded_id(hello, "task.hello")
    edit(hello, '    volumes:\n      - {volume: "{{ volume.notes }}", mount_path: /notes}\n', "")
    plan = hello.run("plan", code=0).out
    assert "task.hello will be updated in-place" in plan and "# paused meanwhile" in plan, plan
    hello.apply()
    assert recorded_id(hello, "task.hello") == before
    (bid,) = hello.embedded().live_bids()
    assert (bid["fid"], bid["status"]) == (before, "Allocated")
    assert bid["launch_specification"]["volumes"] == []
    kinds = [
        event["event_type"] for event in hello.embedded().get(f"/v2/spot/bids/{before}/history")["events"]
    ]
    assert kinds[-3:] in (
        ["Volumes Removed", "Resumed", "Allocated"],
        ["Volumes Removed", "Unpaused", "Allocated"],
    ), kinds
    unchanged(hello)


def test_a_volume_gets_another_name_in_place(hello: Project) -> None:
    before = recorded_id(hello, "volume.notes")
    edit(hello, "notes: {size_gb: 1,", "notes: {name: diary, size_gb: 1,")
    hello.apply()
    (volume,) = hello.embedded().live_volumes()
    assert (volume["fid"], volume["name"]) == (before, "diary")
    unchanged(hello)


def test_destroy_leaves_nothing(hello: Project) -> None:
    assert "2 destroyed" in hello.run("destroy", "--auto-approve", code=0).out
    assert hello.embedded().live_ids() == []
    assert hello.run("state", "list", code=0).out == ""
    assert hello.run("output", code=0).out == "No outputs are recorded.\n"
    assert "No changes." in hello.run("destroy", "--auto-approve", code=0).out


def test_outputs(hello: Project) -> None:
    (volume,) = hello.embedded().live_volumes()
    id = volume["fid"]
    assert hello.run("output", "notes", code=0).out == f'"{id}"\n'
    assert hello.run("output", "notes", "--raw", code=0).out == f"{id}\n"
    assert hello.run("output", "--json", code=0).json() == {"notes": id}
    assert hello.run("output", "-json", "notes", code=0).json() == id
    missing = hello.run("output", "note", code=1)
    assert "There is no output 'note'" in missing.err and "Did you mean 'notes'?" in missing.err


def test_state_list_and_show(hello: Project) -> None:
    assert hello.run("state", "list", code=0).out == "volume.notes\ntask.hello\n"
    listed = hello.run("state", "list", "--json", code=0).json()
    assert [row["address"] for row in listed["resources"]] == ["volume.notes", "task.hello"]
    (bid,), (volume,) = hello.embedded().live_bids(), hello.embedded().live_volumes()
    assert [row["id"] for row in listed["resources"]] == [volume["fid"], bid["fid"]]
    shown = hello.run("state", "show", "task.hello", code=0).out
    assert shown.startswith("# task.hello\n") and bid["fid"] in shown and bid["name"] in shown
    assert hello.run("state", "show", "task.hello", "--json", code=0).json()["name"] == bid["name"]
    wrong = hello.run("state", "show", "task.helo", code=1)
    assert "is not in the state of stack hello" in wrong.err and "task.hello" in wrong.err
    nonsense = hello.run("state", "show", "hello!", code=1)
    assert "'hello!' is not an address" in nonsense.err


def test_show_tells_all_that_is_recorded(hello: Project) -> None:
    text = hello.run("show", code=0).out
    assert "# volume.notes" in text and "# task.hello" in text and "notes = " in text
    document = hello.run("show", "--json", code=0).json()
    assert document["stack"] == "hello" and len(document["resources"]) == 2 and "notes" in document["outputs"]


def test_the_graph_is_drawn(project: Project) -> None:
    project.write(HELLO)
    dot = project.run("graph", code=0).out
    assert dot.startswith("digraph") and '"task.hello" -> "volume.notes"' in dot
    mermaid = project.run("graph", "--format", "mermaid", code=0).out
    assert mermaid.startswith(("graph", "flowchart")) and "-->" in mermaid
    assert not project.state.exists()


def test_the_plan_as_json(project: Project) -> None:
    project.write(HELLO)
    ended = project.run("plan", "--json", "-detailed-exitcode", code=2)
    document = ended.json()
    assert document["format_version"].split(".")[0] == "1"
    assert (document["stack"], document["mode"], document["empty"], document["errored"]) == (
        "hello",
        "normal",
        False,
        False,
    )
    assert document["summary"] == {
        "add": 2,
        "change": 0,
        "destroy": 0,
        "forget": 0,
        "import": 0,
        "unchanged": 0,
    }
    changes = {change["address"]: change for change in document["resource_changes"]}
    assert list(changes) == ["volume.notes", "task.hello"]
    assert all(change["actions"] == ["create"] and change["before"] is None for change in changes.values())
    assert changes["task.hello"]["after"]["max_price_per_hour"] == 3.0
    assert changes["task.hello"]["dependencies"] == ["volume.notes"]
    steps = {step["id"]: step["needs"] for step in document["steps"]}
    assert steps == {"create volume.notes": [], "create task.hello": ["create volume.notes"]}
    assert document["output_changes"]["notes"]["actions"] == ["create"]
    again = project.run("plan", "--json", code=0)
    assert again.out == ended.out, "the same inputs give the same bytes"


def test_what_is_merely_planned_is_written_nowhere(project: Project) -> None:
    project.write(HELLO)
    before = project.contents()
    project.run("validate", code=0)
    assert not project.state.exists()
    project.run("plan", "-refresh=false", code=0)
    assert not project.state.exists()
    project.run("plan", code=0)
    # The provider of the plan is the embedded sandbox: its own folder comes into being, hidden from git.
    assert project.contents() == {**before, "state/.gitignore": b"*\n"}
    made = {str(path.relative_to(project.state)) for path in project.state.rglob("*") if path.is_file()}
    assert made <= {
        ".gitignore",
        "sandbox/sandbox.db",
        "sandbox/api-key",
        "sandbox/sandbox.db-wal",
        "sandbox/sandbox.db-shm",
    }
    project.apply()
    before = project.contents()
    project.run("plan", code=0)
    project.run("show", code=0)
    assert project.contents() == before


# -- variables


VARIABLES = HELLO.replace(
    "volumes:\n  notes", "variables:\n  price: {type: number, default: 1.0}\nvolumes:\n  notes", 1
).replace("max_price_per_hour: 3.0", 'max_price_per_hour: "{{ var.price }}"')


def planned_price(project: Project, *arguments: str, **env: str) -> float:
    document = project.run("plan", "--json", *arguments, code=0, env=env).json()
    task = next(change for change in document["resource_changes"] if change["address"] == "task.hello")
    return float(task["after"]["max_price_per_hour"])


def test_the_strongest_source_of_a_variable_wins(project: Project) -> None:
    project.write(VARIABLES)
    assert planned_price(project) == 1.0
    project.write("price: 2.0\n", "flowplan.vars.yaml")
    assert planned_price(project) == 2.0
    env = {"FLOWPLAN_VAR_price": "3.0"}
    assert planned_price(project, **env) == 3.0
    project.write("price: 4.0\n", "four.yaml")
    project.write("price: 5.0\n", "values/five.yaml")
    assert planned_price(project, "--var-file", "four.yaml", **env) == 4.0
    assert planned_price(project, "--var-file=four.yaml", "-var-file=values/five.yaml", **env) == 5.0
    assert planned_price(project, "--var", "price=6.0", "--var-file", "four.yaml", **env) == 6.0
    (project.root / "four.yaml").unlink()
    assert planned_price(project, "-var", "price=6.0", "-var=price=7.0", **env) == 7.0


# -- spellings and usage


def test_long_options_may_have_one_dash(project: Project) -> None:
    project.write(HELLO)
    assert "saved the plan" in project.run("plan", "-out=my.fplan", "-no-color", code=0).out.lower()
    project.run("apply", "-auto-approve", "-parallelism=2", "-lock-timeout=1s", code=0)
    project.run("destroy", "-auto-approve", code=0)


def test_chdir_works_elsewhere(project: Project) -> None:
    project.write(HELLO, "deep/down/stack.yaml")
    assert "hello is valid" in project.run("-chdir=deep/down", "validate", code=0).out
    assert "hello is valid" in project.run("--chdir", "deep/down", "validate", code=0).out
    project.run("-chdir=deep/down", "apply", "-auto-approve", code=0)
    assert (project.state / "flowplan.db").exists(), "the state belongs to the project, not to the folder"
    assert "task.hello" in project.run("-chdir=deep", "state", "list", code=0).out
    wrong = project.run("-chdir=nowhere", "validate", code=64)
    assert "nowhere" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("aply",), "aply"),
        (("plan", "--bogus"), "--bogus"),
        (("plan", "one", "two"), "two"),
        (("plan", "--refresh=perhaps"), "perhaps"),
        (("plan", "--var", "nodes"), "--var nodes=VALUE"),
        (("apply", "--parallelism", "0"), "parallelism"),
        (("apply", "--parallelism", "many"), "many"),
        (("apply", "--lock-timeout", "soon"), "lock-timeout"),
        (("graph", "--format", "png"), "png"),
        (("logs",), "ADDRESS"),
        (("state", "forget"), "forget"),
        (("sandbox", "serve", "--port", "70000"), "70000"),
    ],
)
def test_a_wrong_command_line_ends_with_64(project: Project, arguments: tuple[str, ...], phrase: str) -> None:
    project.write(HELLO)
    ended = project.run(*arguments, code=64)
    assert phrase in ended.err and "Usage:" in ended.err
    assert not project.state.exists()


def test_version_and_help(project: Project) -> None:
    from flowplan import __version__

    for spelling in ("--version", "-version", "version"):
        assert project.run(spelling, code=0).out == f"flowplan {__version__}\n"
    for spelling in ("--help", "-h", "-help"):
        assert "validate" in project.run(spelling, code=0).out
    assert "Usage: flowplan apply" in project.run("apply", "-help", code=0).out


def test_colour_is_for_terminals_or_on_demand(project: Project) -> None:
    project.write(HELLO)
    assert "\x1b" not in project.run("plan", code=0).text
    assert "\x1b[" in project.run("plan", code=0, env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in project.run("plan", "--no-color", code=0, env={"FORCE_COLOR": "1"}).text


# -- saved plans


def test_a_saved_plan_is_applied_without_asking_and_once_only(project: Project) -> None:
    project.write(HELLO)
    project.run("plan", "-out", "my.fplan", code=0)
    assert stat.S_IMODE((project.root / "my.fplan").stat().st_mode) == 0o600
    shown = project.run("show", "my.fplan", code=0).out
    assert "task.hello will be created" in shown and "Plan: 2 to add" in shown
    assert project.run("show", "my.fplan", "--json", code=0).json()["summary"]["add"] == 2
    assert "2 added" in project.run("apply", "my.fplan", code=0).out
    before = project.contents()
    again = project.run("apply", "my.fplan", code=8)
    assert "Saved plan is stale" in again.err and "Make a new plan" in again.err
    assert project.contents() == before


def test_a_saved_plan_does_what_it_says_though_the_stack_has_changed(project: Project) -> None:
    project.write(HELLO)
    project.run("plan", "-out", "my.fplan", code=0)
    edit(project, "max_price_per_hour: 3.0", "max_price_per_hour: 9.0")
    project.run("apply", "my.fplan", code=0)
    (bid,) = project.embedded().live_bids()
    assert bid["limit_price"] == "$3.00"


def test_a_saved_plan_is_stale_once_the_state_has_moved(hello: Project) -> None:
    edit(hello, "max_price_per_hour: 3.0", "max_price_per_hour: 4.0")
    hello.run("plan", "-out", "my.fplan", code=0)
    edit(hello, "max_price_per_hour: 4.0", "max_price_per_hour: 5.0")
    hello.apply()
    ended = hello.run("apply", "my.fplan", code=8)
    assert "Saved plan is stale" in ended.err and "changed by another operation" in ended.err
    (bid,) = hello.embedded().live_bids()
    assert bid["limit_price"] == "$5.00"


def test_a_plan_file_that_was_changed_is_refused(project: Project) -> None:
    project.write(HELLO)
    project.run("plan", "-out", "my.fplan", code=0)
    path = project.root / "my.fplan"
    sealed = path.read_text()
    assert "3.0" in sealed
    for spoilt in (sealed.replace("3.0", "9.0"), sealed[:-40], sealed + " x", "{}", '{"flowplan_plan": 99}'):
        path.write_text(spoilt)
        ended = project.run("apply", "my.fplan", code=1)
        assert "my.fplan is not a usable plan file" in ended.err and "plan --out FILE" in ended.err
        assert "my.fplan is not a usable plan file" in project.run("show", "my.fplan", code=1).err
    assert not (project.state / "flowplan.db").exists()


def test_a_plan_of_destruction(hello: Project) -> None:
    document = hello.run("plan", "-destroy", "-json", code=0).json()
    assert document["mode"] == "destroy" and document["summary"]["destroy"] == 2
    hello.run("plan", "-destroy", "-out=end.fplan", code=0)
    assert "2 destroyed" in hello.run("apply", "end.fplan", code=0).out
    assert hello.embedded().live_ids() == []


def test_without_refresh_nothing_is_asked(project: Project, served: Served) -> None:
    project.write(HELLO)
    project.apply()
    project.env["FLOWPLAN_SANDBOX_URL"] = "http://127.0.0.1:1"
    assert "No changes." in project.run("plan", "-refresh=false", code=0).out
    assert "cannot reach http://127.0.0.1:1" in project.run("plan", code=1).err
    served.use()


# -- the question


def test_without_a_terminal_there_is_no_yes(project: Project) -> None:
    project.write("this is: [no stack")
    for what in ("apply", "destroy"):
        ended = project.run(what, code=1)
        assert f"{what} needs an answer, and there is no terminal" in ended.err
        assert "--auto-approve" in ended.err and "Nothing was read or changed" in ended.err
        assert "stack.yaml" not in ended.err, "the stack was not even read"
    assert not project.state.exists()


@pytest.mark.parametrize(
    ("answer", "code"), [("yes", 0), ("no", 1), ("y", 1), ("", 1), ("YES", 1), ("\x04", 1)]
)
def test_only_yes_is_a_yes(project: Project, answer: str, code: int) -> None:
    import os
    import pty

    project.write(HELLO)
    master, slave = pty.openpty()
    try:
        process = project.start("apply", stdin=slave, stdout=slave, stderr=slave, env={"TERM": "dumb"})
        os.close(slave)
        seen = b""

        def shown(phrase: bytes) -> bool:
            nonlocal seen
            while phrase not in seen:
                try:
                    piece = os.read(master, 65536)
                except OSError:  # the program has ended
                    return phrase in seen
                if not piece:
                    return False
                seen += piece
            return True

        assert shown(b"Enter a value"), seen
        assert b"Only 'yes' will be accepted" in seen and b"Plan: 2 to add" in seen
        os.write(master, answer.encode() + (b"" if answer == "\x04" else b"\n"))
        shown(b"nothing ends like this")
        assert wait_until(lambda: process.poll() is not None, "the end of apply")
        assert process.returncode == code, seen
        assert (b"Apply complete!" if code == 0 else b"Apply cancelled.") in seen
    finally:
        os.close(master)
    live = project.embedded().live_ids()
    assert len(live) == (2 if code == 0 else 0)
    if code:
        assert not (project.state / "flowplan.db").exists()
