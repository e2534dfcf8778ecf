"""From what a person types to the records that an edit of a state is about."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.plan.moving import read_place
from flowplan.plan.patterns import select
from flowplan.state.edits import moves_of_module, moves_of_resource, readdressed
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean


def moved_state(snapshot: Snapshot, source: str, target: str) -> tuple[dict[Address, Address], Snapshot]:
    """What moving ``source`` to ``target`` moves, and the state after that.

    Raises:
        FlowplanError: as for `moves_between`, or an address is taken.
    """
    moves = moves_between(snapshot, source, target)
    try:
        return moves, readdressed(snapshot, moves)
    except ValueError as error:
        raise FlowplanError(
            Diagnostic.error(
                f"{source} cannot be moved to {target}",
                f"{str(error)[:1].upper()}{str(error)[1:]}.",
                suggestion="flowplan state list shows what is recorded.",
            )
        ) from None


def moves_between(snapshot: Snapshot, source: str, target: str) -> dict[Address, Address]:
    """The new address of each record that moving ``source`` to ``target`` is about.

    Raises:
        FlowplanError: a side is neither an address nor a module, they do not go together, or nothing is there.
    """
    origin, to = _place(source), _place(target)
    if isinstance(origin, Address) and isinstance(to, Address):
        moves = moves_of_resource(snapshot.records, origin, to)
    elif isinstance(origin, tuple) and isinstance(to, tuple):
        moves = moves_of_module(snapshot.records, origin, to)
    else:
        raise FlowplanError(
            Diagnostic.error(
                f"{source} cannot be moved to {target}",
                "One is a resource and the other a module.",
                suggestion="Move a resource to one of its kind, a module to a module.",
            )
        )
    if moves:
        return moves
    known = [str(address) for address in snapshot.records]
    raise FlowplanError(
        Diagnostic.error(
            f"{source} is not in the state of stack {snapshot.stack}",
            suggestion=did_you_mean(source, known) or "flowplan state list shows what is recorded.",
        )
    )


def _place(text: str) -> Address | tuple[str, ...]:
    try:
        return read_place(text)
    except ValueError as error:
        raise FlowplanError(
            Diagnostic.error(
                f"{text!r} is neither an address nor a module",
                f"{error}.",
                suggestion="Write task.train, 'task.train[\"key\"]' or module.net.",
            )
        ) from None


def chosen_records(snapshot: Snapshot, patterns: Sequence[str]) -> list[Record]:
    """The records that any of the addresses, modules or patterns names, in the order of addresses.

    Raises:
        FlowplanError: one names nothing.
    """
    found, problems = select(patterns, snapshot.records, "ADDRESS")
    if problems:
        raise FlowplanError(*problems)
    return [record for record in snapshot.records.values() if record.address in found]
