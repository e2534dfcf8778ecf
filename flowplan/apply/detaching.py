"""Letting go of volumes by a request of its own, before others are attached or these are destroyed."""

from __future__ import annotations

from flowplan.apply.run import Run
from flowplan.apply.updating import already_so, end_update, finish_update, resumes
from flowplan.plan.change import Step
from flowplan.plan.holders import kept_volumes
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Record


async def detach(run: Run, step: Step) -> Record:
    """Let go of volumes before anything else is attached or destroyed; the rest of the change comes later."""
    change = run.changes[step.address]
    old = run.records[step.address]
    kept = kept_volumes(change)
    assert kept is not None, "no step without something to let go of"
    sends = {"volume_ids": kept}
    entry = Entry(
        operation=Operation.UPDATE,
        address=step.address,
        run=run.id,
        begun_at=run.clock.now(),
        id=old.id,
        name=old.name,
        config=old.config,
        changes={"send": sends, "resume": await resumes(run, change, sends)},
        dependencies=old.dependencies,
        protected=old.protected,
        retained=old.retained,
        triggers=old.triggers,
    )
    entry = await run.together.begin(entry)
    if (held := await already_so(run, entry, old, sends)) is not None:
        return await end_update(run, entry, old, held)
    return await finish_update(run, entry, old)
