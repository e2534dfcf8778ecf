"""Counterfactual: undoing the causes that an explanation names makes the action vanish, over generated plans.

FLOWPLAN_EXAMPLES=4000 generates so many of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import event, given, settings
from hypothesis import strategies as st
from plan_builders import REGION, observe, recorded, stack, task, volume
from plan_cases import with_life
from test_plan_laws import stacks

from flowplan.lang.entries import Moved, Removed
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.explain import FOLLOWS, explain, explain_all, leads_to
from flowplan.plan.links import Link, Question
from flowplan.plan.planner import plan
from flowplan.resources import kind_of
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind

EXAMPLES = int(os.environ.get("FLOWPLAN_EXAMPLES", "60"))


@define
class Inputs:
    """What a plan is made of, in a form that causes can be undone in."""

    before: Stack
    after: Stack
    snapshot: Snapshot
    drift: dict[str, dict[str, Any]] = field(factory=dict)
    gone: set[str] = field(factory=set)
    options: PlanOptions = field(factory=lambda: PlanOptions(region=REGION))

    def plan(self) -> Plan:
        return plan(self.after, self.snapshot, self.observation(), (), self.options)

    def observation(self) -> Any:
        return observe(self.snapshot, gone=self.gone, drift=self.drift)

    def question(self) -> Question:
        return Question(self.plan(), self.after, self.snapshot, self.observation(), self.options)

    def put(self, address: Address, **fields: Any) -> None:
        resources = dict(self.after.resources)
        resources[address] = evolve(resources[address], **fields)
        self.after = evolve(self.after, resources=resources)

    def undo(self, link: Link, address: Address) -> None:
        """Take one named cause back, by nothing but what the link says."""
        record = self.snapshot.records.get(address)
        if link.kind in ("new", "imported"):
            resources = {a: r for a, r in self.after.resources.items() if a != address}
            self.after = evolve(self.after, resources=resources)
        elif link.kind == "it no longer exists" or link.kind == "gone":
            self.gone.discard(str(address))
        elif link.kind in ("changed", "rerun"):
            assert record is not None and link.attribute
            config = dict(self.after.resources[address].config)
            config[link.attribute] = record.config[link.attribute]
            self.put(address, config=config)
        elif link.kind == "drifted":
            self.drift[str(address)].pop(link.attribute)
        elif link.kind == "asked":
            kept = tuple(one for one in self.options.replace if one != str(address))
            self.options = evolve(self.options, replace=kept)
        elif link.kind in ("removed", "retained", "let go"):
            resources = {**self.after.resources, address: self.before.resources[address]}
            entries = tuple(one for one in self.after.removed if one.origin != str(address))
            self.after = evolve(self.after, resources=dict(sorted(resources.items())), removed=entries)
        elif link.kind == "destroyed":
            self.options = evolve(self.options, mode=Mode.NORMAL)
        elif link.kind == "recorded":
            old = self.before.resources[address]
            self.put(address, lifecycle=old.lifecycle, references=old.references, depends_on=old.depends_on)
        else:
            raise AssertionError(f"no way to undo a cause of kind {link.kind}")


def roots(links: tuple[Link, ...], address: Address) -> Iterator[tuple[Link, Address]]:
    """The causes at the ends of the chains: what does not merely follow from another resource's action."""
    for link in links:
        others = [one for one in link.because if one.kind == "other" and one.address is not None]
        if link.kind not in (FOLLOWS, "triggered"):
            yield link, address
        for other in others:
            assert other.address is not None
            yield from roots(other.because, other.address)


LIVES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "create_before_destroy": st.booleans(),
        "on_remove": st.sampled_from(["destroy", "retain"]),
        "prevent_destroy": st.booleans(),
        "ignore_changes": st.sampled_from([(), ("command",)]),
        "replace_triggered_by": st.sampled_from([(), ("volume.u",), ("volume.v.name",)]),
    },
)


EDITS: dict[Kind, list[dict[str, Any]]] = {
    Kind.TASK: [{}, {"command": "other"}, {"max_price_per_hour": 9.0}, {"image": "i", "max_price_per_hour": 9.0},
                {"volumes": []}, {"deadline_hours": 5.0}],
    Kind.VOLUME: [{}, {"size_gb": 30}, {"name": "renamed"}, {"mount_path": "/elsewhere"}],
    Kind.RESERVATION: [{}],
}  # fmt: skip


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    one, two = stack(draw(stacks())), stack(draw(stacks()))
    if draw(st.booleans()):
        two = evolve(two, resources=dict(one.resources))
    for address, resource in list(two.resources.items()):
        edit = draw(st.sampled_from(EDITS[address.kind]))
        two = evolve(
            two, resources={**two.resources, address: evolve(resource, config={**resource.config, **edit})}
        )
    volumes = {str(a) for a in two.resources if a.kind is Kind.VOLUME}

    def lives(desired: Stack) -> dict[str, Mapping[str, Any]]:
        found = {}
        for address in desired.resources:
            settings_ = draw(LIVES)
            named = settings_.get("replace_triggered_by", ())
            if address.kind is Kind.VOLUME or any(n.rsplit(".name", 1)[0] not in volumes for n in named):
                settings_.pop("replace_triggered_by", None)
            found[str(address)] = settings_
        return found

    one = with_life(
        one, {a: {k: v for k, v in s.items() if k != "replace_triggered_by"} for a, s in lives(one).items()}
    )
    two = with_life(two, lives(two))
    snapshot = recorded(one, "x")
    names = sorted(map(str, snapshot.records))
    tasks = [name for name in names if name.startswith("task.")]
    made = Inputs(one, two, snapshot)
    if tasks:
        for name in draw(st.lists(st.sampled_from(tasks), unique=True, max_size=2)):
            made.drift[name] = {"limit_price": draw(st.sampled_from([7.0, 8.0]))}
    if names:
        made.gone = set(draw(st.lists(st.sampled_from(names), unique=True, max_size=1)))
        both = [name for name in tasks if Address.parse(name) in two.resources]
        asked = tuple(draw(st.lists(st.sampled_from(both), unique=True, max_size=1))) if both else ()
        left = [name for name in names if Address.parse(name) not in two.resources]
        if left:
            entries = draw(st.lists(st.sampled_from(left), unique=True, max_size=1))
            made.after = evolve(two, removed=tuple(Removed(name, False) for name in entries))
        mode = draw(st.sampled_from([Mode.NORMAL] * 5 + [Mode.DESTROY]))
        made.options = PlanOptions(mode, REGION, replace=asked if mode is Mode.NORMAL else ())
    return made


@settings(max_examples=EXAMPLES, deadline=None)
@given(inputs())
def test_undoing_what_explain_names_makes_the_action_vanish(made: Inputs) -> None:
    question = made.question()
    for change in question.plan.changes:
        if change.deposed:
            continue
        found = explain(question, change.address)
        assert found is not None and found.why, f"no cause is named for {change.address}"
        other = Inputs(
            made.before,
            made.after,
            made.snapshot,
            {name: dict(values) for name, values in made.drift.items()},
            set(made.gone),
            made.options,
        )
        causes = list(roots(found.why, change.address))
        assert causes, f"the chain of {change.address} ends nowhere"
        for link, address in causes:
            event(link.kind)
            other.undo(link, address)
        left = {(one.address, one.action) for one in other.plan().changes if not one.deposed}
        assert (change.address, change.action) not in left, [(str(a), link.words) for link, a in causes]


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(inputs())
def test_each_change_is_explained_and_each_explanation_is_of_something(made: Inputs) -> None:
    question = made.question()
    told = {found.address: (found, led) for found, led in explain_all(question)}
    changes = {change.address: change for change in question.plan.changes if not change.deposed}
    for address, change in changes.items():
        found, led = told[address]
        assert found.action is change.action
        reasons = [str(reason) for reason in change.reasons]
        assert [link.words for link in found.why][: len(reasons)] == reasons
        assert led == leads_to(question, address)
    for address in {*made.after.resources, *made.snapshot.records} - set(changes):
        found_ = explain(question, address)
        assert found_ is not None and not found_.why and found_.why_not, f"{address}: no word of why not"


# -- why not


def one(before: str, after: str, **more: Any) -> Inputs:
    first = stack(before)
    return Inputs(first, stack(after), recorded(first), **more)


A, V = f"tasks: {{a: {task()}}}", f"volumes: {{v: {volume()}}}"
IGNORES = f"tasks: {{a: {task('image: other, lifecycle: {ignore_changes: [image]}')}}}"


@pytest.mark.parametrize(
    ("made", "address", "kind", "words"),
    [
        (one(A, A), "task.a", "unchanged", "nothing has drifted"),
        (one(A, IGNORES), "task.a", "ignored", "image differs from what was applied"),
        (
            one(A, A.replace("hi", "ho"), options=PlanOptions(region=REGION, excludes=("task.*",))),
            "task.a",
            "targeted out",
            "--exclude task.* names it",
        ),
        (
            one(
                f"{A}\n{V}",
                f"{A.replace('hi', 'ho')}\n{V}",
                options=PlanOptions(region=REGION, targets=("volume.v",)),
            ),
            "task.a",
            "targeted out",
            "--target volume.v does not name it, nor anything that needs it",
        ),
        (
            one(V.replace("file", "file, lifecycle: {prevent_destroy: true}"), "tasks: {}"),
            "volume.v",
            "protected",
            "prevent_destroy is on record",
        ),
        (one(V, "tasks: {}"), "volume.v", "refused", "DATA LOSS: volume.v would be destroyed"),
        (one(A, A, drift={"task.a": {"status": "paused"}}), "task.a", "drift left", "it is paused"),
        (one(A, A, drift={"task.a": {"status": "preempting"}}), "task.a", "waiting", "that is no drift"),
        (
            one(A, A.replace("3.0", "7.0"), drift={"task.a": {"limit_price": 7.0}}),
            "task.a",
            "drift left",
            "to what the stack says",
        ),
        (
            one(A, A.replace("false", "false, when: false")),
            "task.a",
            "",
            "",
        ),
        (
            one("tasks: {}", A.replace("false", "false, when: false")),
            "task.a",
            "switched off",
            "when is false",
        ),
    ],
)
def test_why_not(made: Inputs, address: str, kind: str, words: str) -> None:
    found = explain(made.question(), Address.parse(address))
    assert found is not None
    told = {link.kind: link.words for link in found.why_not}
    if kind:
        assert words in told[kind], told
    else:
        (cause,) = found.why
        assert cause.kind == "removed" and cause.because[0].words == "when is false for task.a"
        assert cause.because[0].span is not None


def test_a_completed_task_is_told_to_be_done() -> None:
    made = one(A, A.replace("hi", "ho").replace("false", "false, lifecycle: {rerun: never}"))
    seen = observe(made.snapshot, completions={"task.a": {"exit_code": 3}})
    done = plan(made.after, made.snapshot, seen, (), made.options)
    found = explain(Question(done, made.after, made.snapshot, seen, made.options), Address.parse("task.a"))
    assert found is not None and not found.why
    words = {link.kind: link.words for link in found.why_not}
    assert "it ran to its end with exit code 3; it is done, and never runs again" in words["completed"]
    assert "command differs from what it ran with" in words["kept"]


def test_what_is_moved_is_told_to_be_and_compared_with_what_it_was() -> None:
    made = one(A, A.replace("a:", "b:").replace("command: echo hi", "name: a, command: echo hi"))
    made.after = evolve(made.after, moved=(Moved("task.a", "task.b"),))
    found = explain(made.question(), Address.parse("task.b"))
    assert found is not None and not found.why
    first = found.why_not[0]
    assert (first.kind, first.words) == (
        "moved",
        "what was recorded as task.a is this",
    )


def test_what_is_nowhere_has_no_explanation() -> None:
    assert explain(one(A, A).question(), Address.parse("task.b")) is None


# -- chains


def chain(text: str, before: str, variables: Mapping[str, Any], address: str) -> tuple[Link, ...]:
    desired, first = stack(text, variables), stack(before)
    snapshot = recorded(first)
    seen = observe(snapshot)
    made = plan(desired, snapshot, seen, (), PlanOptions(region=REGION))
    found = explain(Question(made, desired, snapshot, seen, PlanOptions()), Address.parse(address))
    assert found is not None
    return found.why


def flat(links: tuple[Link, ...]) -> list[tuple[str, str, str]]:
    return [row for link in links for row in [(link.kind, link.words, link.source), *flat(link.because)]]


def test_a_chain_leads_through_locals_to_the_source_of_a_variable() -> None:
    text = (
        "variables: {cuda: {type: string, default: '12.1'}}\n"
        "locals: {tag: '{{ var.cuda }}-dev', image: 'nvidia:{{ local.tag }}'}\n"
        + "tasks: {a: "
        + task("image: '{{ local.image }}'")
        + "}"
    )
    why = chain(text, f"tasks: {{a: {task('image: old')}}}", {"cuda": "12.4"}, "task.a")
    assert flat(why) == [
        ("changed", "image changed, which forces replacement", ""),
        ("local", "local.image", ""),
        ("local", "local.tag", ""),
        ("variable", "var.cuda", "the test"),
    ]
    variable = why[0].because[0].because[0].because[0]
    assert variable.value == "12.4" and variable.span is not None and variable.span.line == 2


def test_a_chain_leads_to_the_key_of_a_for_each() -> None:
    body = task("env: {N: '{{ each.value }}'}, for_each: '{{ local.sizes }}'")
    text = "locals: {sizes: {s: 1, m: 2}}\ntasks: {a: " + body + "}"
    before = text.replace("m: 2", "m: 1")
    why = chain(text, before, {}, 'task.a["m"]')
    assert ("for_each", "each.value", "") in flat(why) and ("local", "local.sizes", "") in flat(why)


def test_what_only_follows_is_told_apart_from_what_was_edited_too() -> None:
    mount = "volumes: [{volume: '{{ volume.v }}', mount_path: /%s}]"
    before = f"{V}\ntasks: {{a: {task(mount % 'v')}}}"
    (link,) = chain(before.replace("size_gb: 10", "size_gb: 20"), before, {}, "task.a")
    assert link.kind == FOLLOWS and [one.words for one in link.because] == ["volume.v is replaced"]
    edited = before.replace("size_gb: 10", "size_gb: 20").replace("/v", "/w")
    (link,) = chain(edited, before, {}, "task.a")
    assert link.kind == "changed" and "volume.v is replaced" in [one.words for one in link.because]


def test_every_provider_side_attribute_can_be_told_as_drift() -> None:
    for kind in Kind:
        assert set(kind_of(kind).feeds) <= set(kind_of(kind).attributes)
