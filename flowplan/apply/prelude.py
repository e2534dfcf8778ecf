"""What an apply records before its first step: moves, and what a plan that only refreshes has seen."""

from __future__ import annotations

from flowplan.apply.run import Run
from flowplan.plan.moving import rename_record


def prepare(run: Run) -> None:
    """Give records the addresses that ``moved`` gives them, and write what was refreshed: one transaction, no request.

    Raises:
        StoreError: the store cannot be written; nothing was changed.
    """
    plan = run.plan
    if not (plan.moves or plan.refreshes or plan.forgotten):
        return
    names = {move.origin: move.to for move in plan.moves}
    after = {
        names.get(address, address): rename_record(record, names) for address, record in run.records.items()
    }
    for address in plan.forgotten:
        after.pop(address, None)
    for record in plan.refreshes:
        now = after.get(record.address)
        if now is not None:
            after[record.address] = record
    changed = [record for address, record in after.items() if run.records.get(address) is not record]
    gone = [address for address in run.records if address not in after]
    # Why those too: the ids of records that trade places would collide while they are written one by one.
    moved = [address for address in run.records if address in names and address in after]
    run.writer.save(changed, forget=[*gone, *moved])
    run.records.clear()
    run.records.update(after)
