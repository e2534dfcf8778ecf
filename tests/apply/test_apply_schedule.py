"""The ready set: every step once, only after what it needs; a failure skips its descendants and no one else."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.makespan import LIMIT, SHAPES, random_graph, virtual_makespan
from flowplan.apply.durations import Durations
from flowplan.apply.schedule import Schedule
from flowplan.plan.change import Step, StepKind
from flowplan.values.address import Address

AT = Address.parse("task.a")


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 9))):
        needs = tuple(
            draw(st.lists(st.sampled_from(steps), max_size=3, unique_by=lambda s: s.id)) if steps else ()
        )
        tolerates = tuple(s.id for s in needs if draw(st.integers(0, 3)) == 0)
        steps.append(Step(str(number), StepKind.CREATE, AT, tuple(s.id for s in needs), tolerates))
    return steps


@given(graphs(), st.randoms(use_true_random=False))
def test_steps_are_taken_once_after_their_needs_and_failures_skip_exactly_what_cannot_go_on(
    steps, random
) -> None:  # type: ignore[no-untyped-def]
    schedule = Schedule(steps, lambda step: 1.0)
    running: list[Step] = []
    done: set[str] = set()
    failed: set[str] = set()
    skipped: set[str] = set()
    taken: list[str] = []
    while True:
        while (step := schedule.take()) is not None:
            for need in step.needs:
                assert need in done or (need in failed | skipped and need in step.tolerates)
            taken.append(step.id)
            running.append(step)
        if not running:
            break
        step = running.pop(random.randrange(len(running)))
        if random.random() < 0.3:
            failed.add(step.id)
            new = schedule.fail(step)
            assert all(s.because is step for s in new)
            assert len({s.step.id for s in new} & skipped) == 0
            skipped |= {s.step.id for s in new}
        else:
            done.add(step.id)
            schedule.finish(step)
    assert len(taken) == len(set(taken))
    assert {s.id for s in steps} == done | failed | skipped and not schedule.waiting()
    dead = set(failed)
    for step in steps:
        if step.id not in failed and any(n in dead and n not in step.tolerates for n in step.needs):
            dead.add(step.id)
    assert skipped == dead - failed


def test_the_longest_chain_goes_first() -> None:
    steps = [
        Step("short", StepKind.CREATE, AT),
        Step("long", StepKind.CREATE, AT),
        Step("after", StepKind.CREATE, AT, ("long",)),
    ]
    schedule = Schedule(steps, lambda step: 1.0)
    assert [s.id for s in schedule.waiting()] == ["short", "long", "after"]
    first = schedule.take()
    assert first is not None and first.id == "long" and schedule.has_ready
    schedule.finish(first)
    assert {s.id for s in iter(schedule.take, None)} == {"short", "after"}


def test_little_time_is_lost_over_random_graphs() -> None:
    """In virtual time, so that no machine's speed counts; three hundred: ``python -m benchmarks.makespan``."""
    chance = Random(20261128)
    graphs = [random_graph(chance, chance.randrange(20, 151), shape) for shape in SHAPES * 3]
    ratios = [virtual_makespan(graph, Durations()) / graph.bound for graph in graphs]
    assert min(ratios) >= 0.999 and sum(ratios) / len(ratios) <= LIMIT, ratios
