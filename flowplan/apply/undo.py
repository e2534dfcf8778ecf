"""``--on-failure undo``: taking away again what this run created, and nothing else.

Never data: a volume that anything may have written to stays. Never commitments: a reservation is paid and stays.
Each deletion is an operation like any other, with its entry in the journal, so that an undo that is cut off is
settled like everything else: the next apply finds what is left, and goes forward from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve

from flowplan.apply.engine import Stop, execute
from flowplan.apply.run import Result, Run
from flowplan.plan.change import Mode, Plan, Step, StepKind
from flowplan.ports import EventKind
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind


async def undo(run: Run, result: Result, parallelism: int, stop: Stop) -> Result:
    """What came of an apply that failed, once what it had created is gone again.

    Nothing is undone where nothing failed, where the user asked to stop, or where the store cannot be written.
    """
    if result.interrupted or result.fatal or not (result.failed or result.unknown):
        return result
    steps, kept = undo_steps(run, result)
    if not steps and not kept:
        return result
    count = f"{len(steps)} resource{'' if len(steps) == 1 else 's'}"
    run.emit(EventKind.NOTICE, message=f"Something failed; destroying the {count} that this run created")
    plan = Plan(run.plan.stack, Mode.DESTROY, run.plan.lineage, run.plan.serial, steps=steps)
    undone = await execute(evolve(run, plan=plan), parallelism, stop)
    gone = {step.address for step in undone.done}
    return evolve(
        result,
        done=tuple(s for s in result.done if s.address not in gone),
        undone=undone.done,
        kept=kept,
        failed=(*result.failed, *undone.failed),
        unknown=(*result.unknown, *undone.unknown),
        skipped=(*result.skipped, *undone.skipped),
        cut=(*result.cut, *undone.cut),
        not_started=(*result.not_started, *undone.not_started),
        interrupted=undone.interrupted,
        fatal=undone.fatal,
        fatal_code=undone.fatal_code,
    )


def undo_steps(run: Run, result: Result) -> tuple[tuple[Step, ...], tuple[tuple[Address, str], ...]]:
    """The deletions that take back what a run created, dependents first; and what is kept, with the reason."""
    made = [s.address for s in result.done if s.kind is StepKind.CREATE and s.address in run.records]
    created = dict.fromkeys(made)
    uncertain = [f.step.address for f in result.unknown] + [step.address for step in result.cut]
    kept: dict[Address, str] = {}
    for address in created:
        why = _why_kept(run, run.records[address], uncertain)
        if why:
            kept[address] = why
    _keep_what_is_needed(run.records, created, kept)
    going = [address for address in created if address not in kept]
    dependents: dict[Address, list[Address]] = {address: [] for address in going}
    for address in going:
        for dependency in run.records[address].dependencies:
            if dependency in dependents:
                dependents[dependency].append(address)
    steps = tuple(
        Step(_id(address), StepKind.DELETE, address, needs=tuple(_id(d) for d in dependents[address]))
        for address in going
    )
    return steps, tuple(kept.items())


def _id(address: Address) -> str:
    return f"delete {address}"


def _why_kept(run: Run, record: Record, uncertain: Iterable[Address]) -> str:
    """Why something that was created stays, whatever depends on it; "" if it need not."""
    if record.address.kind is Kind.RESERVATION:
        return "a reservation is paid for, and cannot be taken back"
    if record.protected:
        return "lifecycle.prevent_destroy protects it"
    if record.deposed:
        return "what it replaced is still there, and is on its record"
    if record.address.kind is Kind.VOLUME and _may_hold_data(run, record, uncertain):
        return "a task had it, so it may hold data"
    return ""


def _may_hold_data(run: Run, volume: Record, uncertain: Iterable[Address]) -> bool:
    """Whether anything has, or may have, been given a volume since it was created."""
    for record in run.records.values():
        attached = record.attributes.get("volume_ids") or ()
        if volume.address in record.dependencies or volume.id in attached:
            return True
    for address in uncertain:
        change = run.changes.get(address)
        if change is not None and volume.address in change.dependencies:
            return True
    return False


def _keep_what_is_needed(
    records: Mapping[Address, Record], created: Iterable[Address], kept: dict[Address, str]
) -> None:
    """Add to ``kept`` what something depends on that stays: nothing is destroyed before what depends on it."""
    mine = set(created)
    todo = [address for address in records if address not in mine or address in kept]
    while todo:
        address = todo.pop()
        for dependency in records[address].dependencies:
            if dependency in mine and dependency not in kept:
                kept[dependency] = f"{address} depends on it"
                todo.append(dependency)
