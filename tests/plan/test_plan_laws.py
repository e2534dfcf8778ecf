"""Laws of planning over random stacks and edits: purity, order, convergence on paper, secrecy, sealed files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builders import REGION, empty, make, observe, on_paper, recorded, stack, task, volume

from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source
from flowplan.lang.variables import VariableSource
from flowplan.plan.change import Mode, Plan
from flowplan.plan.document import build_document
from flowplan.plan.planfile import PlanFile, dump_planfile, load_planfile
from flowplan.state.snapshot import Snapshot
from flowplan.values.diagnostic import FlowplanError


@st.composite
def stacks(draw: st.DrawFn) -> str:
    """A small stack: up to three volumes and four tasks that mount them and wait for each other."""
    volumes = draw(st.dictionaries(st.sampled_from(["u", "v", "w"]), st.sampled_from([10, 20]), max_size=3))
    tasks: dict[str, str] = {}
    for name in draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4)):
        mounts = draw(st.lists(st.sampled_from(sorted(volumes)), unique=True)) if volumes else []
        waits = draw(st.lists(st.sampled_from(sorted(tasks)), unique=True)) if tasks else []
        more = [f"num_instances: {draw(st.integers(1, 2))}"]
        if mounts:
            entries = ", ".join(f"{{volume: '{{{{ volume.{v} }}}}', mount_path: /{v}}}" for v in mounts)
            more.append(f"volumes: [{entries}]")
        if waits:
            how = draw(st.sampled_from(["created", "completed"]))
            more.append("depends_on: {" + ", ".join(f"task.{w}: {how}" for w in waits) + "}")
        price = draw(st.sampled_from(["3.0", "4.0"]))
        tasks[name] = task(", ".join(more)).replace("3.0", price)
    lines = [
        f"volumes: {{{', '.join(f'{n}: {volume().replace(chr(49) + chr(48), str(s))}' for n, s in volumes.items())}}}"
    ]
    lines.append(f"tasks: {{{', '.join(f'{n}: {b}' for n, b in tasks.items())}}}")
    if volumes and draw(st.booleans()):
        lines.append(f"outputs: {{o: {{value: 'at {{{{ volume.{sorted(volumes)[0]}.volume_id }}}}'}}}}")
    return "\n".join(lines)


def respects_order(plan: Plan, before: Snapshot) -> None:
    place = {step.id: index for index, step in enumerate(plan.steps)}
    assert len(place) == len(plan.steps)
    for step in plan.steps:
        assert all(place[need] < place[step.id] for need in step.needs)
        assert set(step.tolerates) <= set(step.needs)
    changes = {change.address: change for change in plan.changes}
    for address, record in before.records.items():
        for dependency in record.dependencies:
            end, other = place.get(f"delete {dependency}"), place.get(f"delete {address}")
            if end is not None and other is not None:
                assert other < end, "destroyed before what depended on it"
    for address, change in changes.items():
        for dependency in change.dependencies if change.after is not None else ():
            made, own = place.get(f"create {dependency}"), place.get(f"create {address}")
            if made is not None and own is not None:
                assert made < own, "made before what it depends on"


@settings(max_examples=60, deadline=None)
@given(stacks(), stacks())
def test_a_plan_applied_on_paper_leaves_nothing_to_plan(first: str, second: str) -> None:
    one, two = stack(first), stack(second)
    before = recorded(one, "x")
    assert make(one, before, observe(before)).is_empty
    made = make(two, before, observe(before))
    respects_order(made, before)
    after = on_paper(made, two, before)
    left = make(two, after, observe(after))
    assert left.is_empty, [(str(c.address), c.reasons) for c in left.changes]
    assert after.verify() == []
    end = make(two, after, observe(after), mode=Mode.DESTROY)
    respects_order(end, after)
    assert not on_paper(end, two, after).records


@settings(max_examples=25, deadline=None)
@given(stacks(), stacks())
def test_planning_is_a_function_and_its_document_adds_up(first: str, second: str) -> None:
    before = recorded(stack(first))
    plans = [make(stack(second), before, observe(before)) for _ in range(2)]
    assert plans[0] == plans[1]
    texts = [json.dumps(build_document(plan, "1"), sort_keys=True) for plan in plans]
    assert texts[0] == texts[1]
    document = build_document(plans[0], "1")
    done = [c["actions"] for c in document["resource_changes"]]
    assert document["summary"]["add"] == sum("create" in d for d in done)
    assert document["summary"]["destroy"] == sum("delete" in d for d in done)
    assert document["summary"]["change"] == sum(d == ["update"] for d in done)
    desired = set(stack(second).resources)
    touched = {c.address for c in plans[0].changes if c.after is not None}
    assert document["summary"]["unchanged"] == len(desired - touched)
    assert document["empty"] is plans[0].is_empty


SECRETS = st.text(st.characters(codec="ascii", categories=["Lu", "Nd"]), min_size=8, max_size=20)


@settings(max_examples=25, deadline=None)
@given(SECRETS, SECRETS)
def test_a_secret_is_noticed_when_it_changes_and_never_shown(old: str, new: str) -> None:
    text = (
        "variables: {token: {type: string, sensitive: true}}\n"
        f"tasks: {{a: {task('env: {T: ' + chr(39) + 'x{{ var.token }}' + chr(39) + '}')}}}\n"
        "outputs: {o: {value: '{{ var.token }}', sensitive: true}}"
    )
    one, two = stack(text, {"token": old}), stack(text, {"token": new})
    first = make(one, empty())
    before = on_paper(first, one, empty())
    second = make(two, before, observe(before))
    assert second.is_empty is (old == new)
    for shown in (
        build_document(first, "1"),
        build_document(second, "1"),
        repr(first),
        repr(second),
        repr(before),
    ):
        said = shown if isinstance(shown, str) else json.dumps(shown)
        assert old not in said and new not in said


def plan_file() -> PlanFile:
    desired = stack(f"volumes: {{v: {volume()}}}\ntasks: {{a: {task()}}}")
    before = recorded(desired)
    seen = observe(before, completions={"task.a": {"exit_code": 0}})
    document = build_document(make(desired, before, seen), "1")
    return PlanFile(
        "s.yaml", Mode.NORMAL, REGION, True, "lineage", 3, desired.sources, {"n": 2.0}, seen, document
    )


def test_a_plan_file_is_read_back_as_it_was() -> None:
    text = dump_planfile(plan_file())
    found = load_planfile("p", text)
    assert dump_planfile(found) == text and found.observation == plan_file().observation


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_plan_file_that_was_touched_is_refused(data: st.DataObject) -> None:
    text = dump_planfile(plan_file())
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda c: c != text[at]))
    with pytest.raises(FlowplanError):
        load_planfile("p", text[:at] + letter + text[at + 1 :])


def test_a_number_in_other_words_is_refused_too() -> None:
    text = dump_planfile(plan_file())
    assert "2.0" in text
    with pytest.raises(FlowplanError):
        load_planfile("p", text.replace('"n":2.0', '"n":2e0'))


@pytest.mark.parametrize(
    "text",
    [
        "volumes: {v: {name: '{{ var.s }}', size_gb: 1}}",
        "tasks: {a: {command: hi, instance_type: a100, upload_code: false, name: 'x{{ var.s }}'}}",
        "tasks: {a: {command: hi, instance_type: a100, upload_code: false, ssh_keys: ['{{ var.s }}']}}",
    ],
)
def test_a_secret_has_no_place_in_what_the_provider_lists(text: str) -> None:
    """A name that was sensitive once came back in the state, in clear, by way of the mount path made of it."""
    source = Source("s.yaml", "stack: s\nvariables: {s: {type: string, sensitive: true}}\n" + text)
    found, problems = load_stack([source], [VariableSource("t", {"s": "hush-hush"})], NoFiles(), "0.1")
    assert found is None
    said = " ".join(f"{p.summary} {p.detail} {p.suggestion}" for p in problems)
    assert "sensitive" in said and "hush-hush" not in said
