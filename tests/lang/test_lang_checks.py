"""``require`` and ``checks``: when each is decided, what is said, and every mistake in them."""

from __future__ import annotations

from typing import Any

import pytest
from lang_folders import good_with, load_with
from lang_stacks import good, load, resource, shown

from flowplan.lang.checks import evaluate_checks, unmet
from flowplan.values.diagnostic import Severity
from flowplan.values.value import NotYetKnown, Reference, Unknown

TASK = "tasks:\n  t:\n    instance_type: a100\n    num_instances: 2\n"
VIEW: dict[str, Any] = {
    "mode": "normal",
    "summary": {"create": 1, "update": 0, "replace": 0, "destroy": 2, "forget": 0, "unchanged": 3},
    "changes": {"task.a": {"action": "destroy", "kind": "task", "reasons": []}},
    "hourly_usd": 12.5,
    "committed_usd": Unknown((), "plan.committed_usd"),
}


def judged(checks: str, view: dict[str, Any] = VIEW, before: str = "") -> list[tuple[Severity, str]]:
    return [(one.severity, one.summary) for one in evaluate_checks(good(before + checks), view)]


# -- require --------------------------------------------------------------------------------------------


def test_a_requirement_that_holds_leaves_nothing_behind() -> None:
    text = TASK + "    require: [{assert: '{{ self.num_instances <= 4 and self.name == \"t\" }}'}]\n"
    assert resource(good(text), "task.t").requirements == ()


def test_one_that_does_not_is_an_error_with_its_message() -> None:
    text = (
        "variables: {most: {default: 1}}\n"
        + TASK
        + "    require:\n      - assert: '{{ self.num_instances <= var.most }}'\n"
        "        message: At most {{ var.most }}, and {{ self.num_instances }} are asked for.\n"
    )
    _, found = load("stack: s\n" + text)
    [one] = found
    assert shown(found) == ["8:17 task.t does not meet its require: At most 1, and 2 are asked for"]
    assert one.suggestion == "It must hold that self.num_instances <= var.most."
    assert str(one.address) == "task.t"


def test_each_instance_is_held_to_it() -> None:
    text = (
        "tasks:\n  t:\n    for_each: {a: 1, b: 9}\n    instance_type: a100\n    num_instances: '{{ each.value }}'\n"
        "    require: [{assert: '{{ self.num_instances < 5 }}', message: '{{ each.key }} is too large'}]\n"
    )
    _, found = load("stack: s\n" + text)
    assert shown(found) == ['7:24 task.t["b"] does not meet its require: b is too large']


def test_what_is_not_known_yet_is_decided_later() -> None:
    text = (
        "volumes: {data: {size_gb: 1}}\n"
        + TASK
        + "    require: [{assert: \"{{ volume.data.region == 'us' }}\", message: Wrong region.}]\n"
    )
    task = resource(good(text), "task.t")
    [requirement] = task.requirements
    assert requirement.references == (Reference(resource(good(text), "volume.data").address, "region"),)
    assert requirement.references[0] in task.references

    def nothing(reference: Reference) -> Any:
        raise NotYetKnown(str(reference))

    assert unmet(task.requirements, lambda reference: "us") == []
    [wrong] = unmet(task.requirements, lambda reference: "eu")
    assert wrong.summary == "task.t does not meet its require: Wrong region"
    assert wrong.span is not None
    assert (wrong.span.line, wrong.address) == (7, task.address)
    assert unmet(task.requirements, nothing) == []
    [open_still] = unmet(task.requirements, nothing, last=True)
    assert open_still.summary == "task.t has a require that cannot be decided"
    [odd] = unmet(task.requirements, lambda reference: ["eu"])
    assert "does not meet" in odd.summary


def test_a_message_never_tells_a_secret() -> None:
    text = (
        "variables: {tok: {default: hunter2hunter2, sensitive: true}}\n"
        + TASK
        + "    require: [{assert: '{{ false }}', message: 'it is {{ var.tok }}'}]\n"
    )
    [one] = load("stack: s\n" + text)[1]
    assert "hunter2" not in repr(one)
    assert "not shown" in one.summary


REQUIRE = [
    ("require: yes please\n", ["6:14 require must be a list of rules, not a text"]),
    ("require: [x]\n", ["6:15 a row of require is a mapping, not a text"]),
    ("require: [{message: x}]\n", ["6:15 a row of require needs assert"]),
    ("require: [{assert: true}]\n", ["6:24 assert takes an expression"]),
    (
        "require: [{assert: '{{ true }}', mesage: x}]\n",
        ["6:38 a row of require has no field 'mesage'"],
    ),
    ("require: [{assert: '{{ self.nodes }}'}]\n", ["6:28 self has no field 'nodes'"]),
    (
        "require: [{assert: '{{ self.ssh_host }}'}]\n",
        ["6:28 ssh_host is known only when task.t exists, and require is decided before"],
    ),
    ("require: [{assert: '{{ var.x }}'}]\n", ["6:28 there is no variable 'x'"]),
    ("require: [{assert: '{{ 1 }}'}]\n", ["6:24 assert must give true or false, and gives a whole number"]),
    (
        "require: [{assert: '{{ true }}', message: '{{ var.x }}'}]\n",
        ["6:51 there is no variable 'x'"],
    ),
    ("command: '{{ self.name }}'\n", ["6:18 self is known only in a resource's require"]),
]


@pytest.mark.parametrize(("text", "wanted"), REQUIRE, ids=range(len(REQUIRE)))
def test_mistakes_in_require(text: str, wanted: list[str]) -> None:
    assert shown(load("stack: s\n" + TASK + "    " + text)[1]) == wanted


# -- checks ---------------------------------------------------------------------------------------------


def test_checks_that_hold_say_nothing() -> None:
    assert judged("checks: [{assert: '{{ plan.summary.create == 1 and plan.hourly_usd < 20 }}'}]\n") == []


def test_those_that_do_not_block_or_warn() -> None:
    text = (
        "variables: {most: {default: 10}}\nchecks:\n"
        "  - {assert: '{{ plan.summary.destroy == 0 }}', message: This stack may only grow.}\n"
        "  - {assert: '{{ plan.hourly_usd <= var.most }}', message: 'It would cost ${{ plan.hourly_usd }} an hour.', severity: warn}\n"
        '  - {assert: \'{{ plan.changes["task.a"].action != "destroy" }}\'}\n'
        '  - {assert: \'{{ plan.changes.values() | selectattr("kind", "equalto", "volume") | list | length == 0 }}\'}\n'
    )
    assert judged(text) == [
        (Severity.ERROR, "a check does not hold: This stack may only grow"),
        (Severity.WARNING, "a check does not hold: It would cost $12.5 an hour"),
        (Severity.ERROR, "a check does not hold"),
    ]


def test_one_that_cannot_be_decided_does_not_hold() -> None:
    text = "checks: [{assert: '{{ plan.committed_usd < 5 }}'}, {assert: '{{ volume.d.region == 1 }}', severity: warn}]\n"
    assert judged(text, before="volumes: {d: {size_gb: 1}}\n") == [
        (Severity.ERROR, "a check cannot be decided when the plan is made"),
        (Severity.WARNING, "a check cannot be decided when the plan is made"),
    ]


def test_one_that_fails_to_evaluate_is_an_error_each_time_it_is_asked() -> None:
    stack = good('checks: [{assert: \'{{ plan.changes["task.b"].action == "x" }}\', severity: warn}]\n')
    for _ in range(2):
        [one] = evaluate_checks(stack, VIEW)
        assert one.is_error
        assert "no key 'task.b'" in one.summary
        assert one.span is not None


def test_a_check_may_ask_whether_there_is_a_change() -> None:
    text = "checks: [{assert: \"{{ 'task.b' not in plan.changes }}\"}]\n"
    assert judged(text) == []


def test_checks_see_outputs_of_modules_and_resources() -> None:
    text = "modules: {m: {source: ./m}}\ntasks: {t: {instance_type: a100}}\nchecks: [{assert: '{{ module.m.n == 3 and task.t.num_instances == 2 }}'}]\n"
    stack = good_with(text, {"m": "outputs: {n: {value: 3}}\n"})
    assert [one.summary for one in evaluate_checks(stack, VIEW)] == ["a check does not hold"]


CHECKS = [
    ("checks: {assert: x}\n", ["2:9 checks must be a list, not a mapping"]),
    ("checks: [x]\n", ["2:10 a row of checks is a mapping, not a text"]),
    ("checks: [{assert: '{{ plan.sumary }}'}]\n", ["2:23 plan has no 'sumary'"]),
    ("checks: [{assert: '{{ plan.summary.destroyed == 0 }}'}]\n", ["2:23 plan.summary has no 'destroyed'"]),
    ("checks: [{assert: '{{ plan.changes[\"a\"].actions }}'}]\n", ["2:23 a change has no 'actions'"]),
    ("checks: [{assert: '{{ plan }}'}]\n", ["2:23 plan has no ''"]),
    ("checks: [{assert: '{{ var.x }}'}]\n", ["2:23 there is no variable 'x'"]),
    (
        "checks: [{assert: '{{ true }}', severity: fatal}]\n",
        ["2:43 there is no severity 'fatal'"],
    ),
    ("checks: [{assert: '{{ true }}', message: [a]}]\n", ["2:42 message must be a text, not a list"]),
    ("locals: {a: '{{ plan.mode }}'}\n", ["2:17 plan is known only in checks"]),
]


@pytest.mark.parametrize(("text", "wanted"), CHECKS, ids=range(len(CHECKS)))
def test_mistakes_in_checks(text: str, wanted: list[str]) -> None:
    stack, found = load_with(text)
    assert stack is None
    assert shown(found) == wanted
