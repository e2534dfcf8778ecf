"""The plan on the terminal: what a Terraform user expects, for one change of each kind."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builders import REGION, empty, observe, recorded, stack, task, volume
from plan_cases import with_life
from test_plan_laws import stacks

from flowplan.plan.change import PlanOptions
from flowplan.plan.document import build_document
from flowplan.plan.planner import plan
from flowplan.report.paint import Paint
from flowplan.report.plan_text import render_plan
from flowplan.report.plan_values import Writer, one_line

PLAIN, COLOURED = Paint(False), Paint(True)


def text_of(before: Any, after: Any, paint: Paint = PLAIN, digest: str = "", **more: Any) -> str:
    options = more.pop("options", PlanOptions(region=REGION))
    snapshot = recorded(before) if before is not None else empty()
    seen = observe(snapshot, **more)
    return render_plan(build_document(plan(after, snapshot, seen, (), options), "1", digest), paint)


def block(text: str) -> str:
    """What stands between the legend and the summary."""
    text = re.sub(r"\(\d+ unchanged attributes hidden\)", "(N unchanged attributes hidden)", text)
    return textwrap.dedent(text.split("\n\n", 1)[1].split("\nPlan:")[0].strip("\n") + "\n")


def laid_out(expected: str) -> str:
    return textwrap.dedent(expected).lstrip("\n")


SCRIPT = "command: |\n      #!/bin/bash\n      echo one\n      echo {}\n      echo three\n"


def scripted(word: str, env: str = "") -> Any:
    return stack(
        "tasks:\n  a:\n    instance_type: a100\n    max_price_per_hour: 3.0\n    upload_code: false\n    "
        + SCRIPT.format(word)
        + (f"    env: {env}\n" if env else "")
    )


def test_a_new_task() -> None:
    text = text_of(None, scripted("two", "{A: '1', B: two}"), digest="sha256:aa")
    assert text.startswith(
        "flowplan will perform the following actions. They are indicated by these symbols:\n  + create\n\n"
        "  # task.a will be created\n  # this costs up to $3.00 an hour\n"
        '  + task "a" {\n      + name               = "a"\n'
    )
    assert (
        "      + command            = <<-EOT\n            #!/bin/bash\n            echo one\n            echo two\n"
        "            echo three\n          EOT\n"
    ) in text
    assert '      + env                = {\n          + A = "1"\n          + B = "two"\n        }\n' in text
    assert "      + task_id            = (known after apply)\n    }\n" in text
    assert text.endswith(
        "Plan: 1 to add, 0 to change, 0 to destroy.\nCosts: up to $3.00 an hour, at limit prices.\n\nDigest: sha256:aa\n"
    )


def test_a_replacement_shows_the_script_as_a_unified_diff() -> None:
    text = text_of(scripted("two", "{A: '1', B: two, C: '3'}"), scripted("2", "{A: '1', B: II, D: '4'}"))
    assert block(text) == laid_out(
        """
          # task.a must be replaced
          # (because command changed, which forces replacement)
          # (because env changed, which forces replacement)
          # this loses the running instances, their boot disks and the bid's age in the auction
          # this costs up to $3.00 an hour
        -/+ task "a" {
              ~ id      = "bid_a" -> (known after apply)
              ~ command = <<-EOT # forces replacement
                  @@ -1,4 +1,4 @@
                    #!/bin/bash
                    echo one
                  - echo two
                  + echo 2
                    echo three
                  EOT
              ~ env     = { # forces replacement
                  ~ B = "two" -> "II"
                  + D = "4"
                  - C = "3" -> null
                    # (1 unchanged element hidden)
                }
                # (N unchanged attributes hidden)
            }
        """
    )


def test_an_update_shows_what_it_costs() -> None:
    text = text_of(stack(f"tasks: {{a: {task()}}}"), stack(f"tasks: {{a: {task().replace('3.0', '4.5')}}}"))
    assert block(text) == laid_out(
        """
          # task.a will be updated in-place
          # (because max_price_per_hour changed in the stack)
          # this costs up to $4.50 an hour (was $3.00)
          ~ task "a" {
                id                 = "bid_a"
              ~ max_price_per_hour = 3.0 -> 4.5
                # (N unchanged attributes hidden)
            }
        """
    )
    assert "Costs: up to $4.50 an hour, at limit prices (was $3.00)." in text


def test_what_is_left_out_costs_what_it_did() -> None:
    one = stack(f"tasks: {{a: {task()}, b: {task()}}}")
    dear = stack(f"tasks: {{a: {task().replace('3.0', '4.0')}, b: {task().replace('3.0', '90.0')}}}")
    text = text_of(one, dear, options=PlanOptions(region=REGION, targets=("task.a",)))
    assert "Costs: up to $7.00 an hour, at limit prices (was $6.00)." in text


MOUNTS = "[{volume: '{{ volume.u }}', mount_path: /u}, {volume: '{{ volume.v }}', mount_path: /v}]"
TWO = f"volumes: {{u: {volume()}, v: {volume()}}}\ntasks: {{a: {task(f'volumes: {MOUNTS}')}}}"


def test_a_volume_that_takes_its_task_with_it() -> None:
    text = text_of(stack(TWO), stack(TWO.replace("u: {size_gb: 10", "u: {size_gb: 20")))
    assert text.startswith("flowplan planned the following actions, but then encountered a problem.\n")
    assert "  # DATA LOSS: all data on the volume is gone for good\n" in text
    assert "      ~ size_gb = 10 -> 20 # forces replacement\n" in text
    assert (
        "      ~ volumes = [ # forces replacement\n"
        "          ~ {\n"
        "              ~ size_gb   = 10 -> 20\n"
        '              ~ volume_id = "vol_u" -> (known after apply)\n'
        "                # (5 unchanged elements hidden)\n"
        "            },\n"
        "            # (1 unchanged element hidden)\n"
        "        ]\n"
    ) in text
    assert "Digest" not in text


def test_what_is_detached_while_paused() -> None:
    less = stack(TWO.replace(", {volume: '{{ volume.v }}', mount_path: /v}", ""))
    assert "this loses" not in text_of(stack(TWO), less), "what does not run loses nothing by a pause"
    text = text_of(stack(TWO), less, drift={"task.a": {"status": "running"}})
    assert "~ volumes = [ # paused meanwhile" in text
    assert '              - mount_path = "/v"\n' in text
    assert "  # this loses what its running command holds in memory: it is paused, and" in text


def test_what_is_destroyed_protected_and_refused() -> None:
    one = with_life(stack(f"volumes: {{v: {volume()}}}"), {"volume.v": {"prevent_destroy": True}})
    text = text_of(one, stack("tasks: {}"))
    assert block(text) == laid_out(
        """
          # volume.v will be destroyed
          # (because it is not in the stack any more)
          # PROTECTED: prevent_destroy is set, so this is refused
          # DATA LOSS: all data on the volume is gone for good
          - volume "v" {
              - id         = "vol_v" -> null
              - name       = "s-v" -> null
              - size_gb    = 10 -> null
              - mount_path = "/volumes/v" -> null
              - interface  = "file" -> null
            }
        """
    )


def test_secrets_are_marked_and_only_those_that_change() -> None:
    body = (
        "variables: {a: {type: string, sensitive: true}, b: {type: string, sensitive: true}}\ntasks: {t: "
        + task("env: {A: '{{ var.a }}', B: 'x{{ var.b }}', C: '%s'}")
        + "}"
    )
    one = stack(body % "1", {"a": "hush", "b": "hush-too"})
    same = text_of(one, stack(body % "2", {"a": "hush", "b": "hush-too"}))
    assert '~ C = "1" -> "2"' in same and "(sensitive value)" not in same and "(2 unchanged elements" in same
    other = text_of(one, stack(body % "1", {"a": "hush", "b": "other-one"}))
    assert "          ~ B = (sensitive value) -> (sensitive value)\n" in other
    new = text_of(None, one)
    assert "          + A = (sensitive value)\n" in new
    assert not re.search("hush|other-one", same + other + new)


def test_drift_has_its_own_section() -> None:
    one = stack(f"tasks: {{a: {task()}, b: {task()}}}")
    text = text_of(one, one, drift={"task.a": {"limit_price": 9.0}}, gone=["task.b"])
    assert text.startswith(
        "Note: Objects have changed outside of flowplan\n\n"
        "  # task.a has changed (will be undone)\n      ~ limit_price = 3.0 -> 9.0\n"
        "  # task.b no longer exists at the provider\n\n"
    )
    assert "      ~ limit_price = 9.0 -> 3.0 # changed outside of flowplan\n" in text


def test_nothing_to_do() -> None:
    one = stack(f"tasks: {{a: {task()}}}")
    assert text_of(one, one) == "No changes. Your resources match the stack.\n"


def test_a_reservation_says_what_is_paid_and_what_is_given_up() -> None:
    body = "reservations: {r: {instance_type: a100, quantity: %d, start_time_utc: 2026-11-20T00:00:00Z, duration_hours: 240}}"
    one = stack(body % 4)
    snapshot = recorded(one)
    (address,) = snapshot.records
    record = snapshot.records[address]
    paid = {**record.attributes, "price_total_usd": 960.0, "status": "active", "instances": list("abcd")}
    snapshot = evolve(snapshot, records={address: evolve(record, attributes=paid)})
    made = plan(stack(body % 3), snapshot, observe(snapshot), (), PlanOptions(region=REGION))
    text = render_plan(build_document(made, "1"), PLAIN)
    assert "  # COMMITTED: $240.00 already paid is given up\n" in text
    unknown = render_plan(build_document(plan(one, empty(), None), "1"), PLAIN)
    assert "Costs: what is committed at once has not been quoted.\n" in unknown


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([1, 2], [1, 3], ["~ x = [1, 2] -> [1, 3]"]),
        (None, "a", ['~ x = null -> "a"']),
        (None, {"a": 1}, ["+ x = {", "    + a = 1", "  }"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 2}},
         ["~ x = {", "    ~ a = {", "        ~ b = 1 -> 2", "          # (1 unchanged element hidden)", "      }", "  }"]),
        (["a" * 40, "b" * 40], ["a" * 40, "c" * 40],
         ["~ x = [", f'    - "{"b" * 40}",', f'    + "{"c" * 40}",', "      # (1 unchanged element hidden)", "  ]"]),
        ({"a b": 1}, {"a b": 2}, ["~ x = {", '    ~ "a b" = 1 -> 2', "  }"]),
        ("a\nb\n", "a\nb", ["~ x = <<-EOT", "      (only blanks at the end differ)", "    EOT"]),
    ],
)  # fmt: skip
def test_differences_of_values(before: Any, after: Any, lines: list[str]) -> None:
    assert list(Writer(PLAIN).difference("x", before, after, 0)) == lines


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just({"$sensitive": True}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_any_difference_is_shown_without_driving_the_terminal(before: Any, after: Any) -> None:
    lines = [
        *Writer(PLAIN).difference("x", before, after, 2),
        *Writer(PLAIN).assignment("+", "x", after, 2),
        *Writer(PLAIN).entries({"k": before}, {"k": after}, 2),
    ]
    for line in lines:
        assert not CONTROL.search(line) and "\n" not in line
    assert "\n" not in one_line(after)


@settings(max_examples=30, deadline=None)
@given(stacks(), stacks())
def test_colour_changes_nothing_but_colour(first: str, second: str) -> None:
    one, two = stack(first), stack(second)
    plain = text_of(one, two)
    coloured = text_of(one, two, COLOURED)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert all(line == line.rstrip() for line in plain.split("\n"))


def test_a_document_of_json_is_enough_to_draw_it() -> None:
    made = plan(stack(TWO), empty(), None, (), PlanOptions(region=REGION))
    document = build_document(made, "1")
    assert render_plan(json.loads(json.dumps(document)), PLAIN) == render_plan(document, PLAIN)
