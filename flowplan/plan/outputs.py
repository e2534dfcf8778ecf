"""How the stack's outputs will differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, Mode, OutputChange, PlanOptions, ResourceChange
from flowplan.state.snapshot import Snapshot
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Lookup, Sensitive, is_known, is_sensitive, resolve, reveal, seal


def _hide(value: Any) -> Any:
    """A value as it is recorded for an output that is sensitive by declaration: wholly sealed."""
    return Sensitive(reveal(value))


def settled_outputs(
    stack: Stack, lookup: Lookup, key: bytes, wrong: list[Diagnostic] | None = None
) -> dict[str, Any]:
    """The outputs as they are now, sealed; one whose value no one knows yet is left out.

    So is one that cannot be computed, or does not fit its type, where there is a list ``wrong`` to say so in.

    Raises:
        FlowplanError: one is wrong, and there is no such list.
    """
    found = {}
    for name, output in stack.outputs.items():
        try:
            value = resolve(output.value, lookup)
        except FlowplanError as error:
            if wrong is None:
                raise
            wrong += error.diagnostics
            continue
        if is_known(value):
            found[name] = seal(_hide(value) if output.sensitive else value, key)
    return found


def output_changes(
    stack: Stack, snapshot: Snapshot, changes: Sequence[ResourceChange], lookup: Lookup, options: PlanOptions
) -> tuple[OutputChange, ...]:
    """The outputs that are added, changed or removed.

    One that stays unknown counts as a change only when a resource it waits for is about to be made;
    otherwise nothing would ever settle it.
    """
    found = []
    desired = {} if options.mode is Mode.DESTROY else dict(stack.outputs)
    made = {c.address for c in changes if c.action in (Action.CREATE, Action.REPLACE)}
    for name in sorted({*desired, *snapshot.outputs}):
        before: Any = snapshot.outputs.get(name)
        output = desired.get(name)
        if output is None:
            found.append(OutputChange(name, Action.DELETE, before, None, is_sensitive(before)))
            continue
        value = resolve(output.value, lookup)
        hidden = output.sensitive or is_sensitive(value)
        if not is_known(value):
            if any(reference.address in made for reference in output.references):
                action = Action.UPDATE if name in snapshot.outputs else Action.CREATE
                found.append(OutputChange(name, action, before, value, hidden))
            continue
        if name not in snapshot.outputs:
            found.append(OutputChange(name, Action.CREATE, None, value, hidden))
        elif seal(_hide(value) if output.sensitive else value, snapshot.key) != before:
            found.append(OutputChange(name, Action.UPDATE, before, value, hidden))
    return tuple(found)
