"""The digest of a plan: the same for two plans that do the same, and what a reviewer approves.

It covers all that a plan does: every action with what it changes, what is made of each secret (as keyed fingerprints),
what it costs and loses, moves, outputs and the order of things. It leaves out what a reader need not approve: reasons in
words, warnings, drift, and amounts that shrink by the minute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flowplan.plan.change import OutputChange, Plan, ResourceChange
from flowplan.state.snapshot import Record
from flowplan.values.value import Fingerprint, Sensitive, Unknown, dump, fingerprint, transform

_FORMAT = 1


def plan_digest(plan: Plan, key: bytes) -> str:
    """``sha256:…`` of what ``plan`` does; ``key`` is the one of the stack's fingerprints.

    Where there is no key yet (the stack was never applied) secrets are left out of it: a digest of the bare value
    would let whoever reads it try values.
    """
    body = {
        "digest": _FORMAT,
        "stack": plan.stack,
        "mode": plan.mode.value,
        "lineage": plan.lineage,
        "changes": [_change(change, key) for change in plan.changes],
        "moves": [[str(move.origin), str(move.to)] for move in plan.moves],
        "refreshes": [record_digest(record) for record in plan.refreshes],
        "forgotten": [str(address) for address in plan.forgotten],
        "skipped": [str(address) for address in plan.skipped],
        "outputs": [_output(output, key) for output in plan.outputs],
        "steps": [[step.id, *step.needs] for step in plan.steps],
    }
    return f"sha256:{hashlib.sha256(_text(body).encode('utf-8', 'surrogatepass')).hexdigest()}"


def record_digest(record: Record) -> str:
    """A digest of a record, to tell whether it is still as it was. Records are sealed, so it tells no secret."""
    body = [
        str(record.address),
        record.id,
        record.name,
        dump(dict(record.config)),
        dump(dict(record.attributes)),
        [str(address) for address in record.dependencies],
        [record.protected, record.retained],
        [[old.id, old.name] for old in record.deposed],
        dump(dict(record.triggers)),
    ]
    return hashlib.sha256(_text(body).encode("utf-8", "surrogatepass")).hexdigest()[:24]


_PLAIN = frozenset({str, int, float, bool, type(None)})


def _text(body: Any) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def _sealed(value: Any, key: bytes) -> Any:
    """A value as it may be digested."""

    def mark(leaf: Any) -> Any:
        if type(leaf) in _PLAIN:
            return leaf
        if isinstance(leaf, Sensitive):
            return fingerprint(leaf, key) if key else {"sensitive": True}
        if isinstance(leaf, Fingerprint) and not key:
            return {"sensitive": True}
        if isinstance(leaf, Unknown):
            return {"unknown": leaf.source, "for": [str(reference) for reference in leaf.references]}
        return leaf

    return dump(transform(value, mark))


def _change(change: ResourceChange, key: bytes) -> list[Any]:
    def sealed(values: Mapping[str, Any] | None) -> Any:
        return None if values is None else _sealed(dict(values), key)

    return [
        str(change.address),
        change.action.value,
        [change.id, change.deposed, change.imported],
        [change.creates_first, change.protected, change.retained],
        sealed(change.before) if change.attributes else None,
        sealed(change.after),
        sealed(change.targets),
        sealed(change.update),
        [loss.name for loss in change.losses],
        change.costs_usd,
        [str(address) for address in change.dependencies],
    ]


def _output(output: OutputChange, key: bytes) -> list[Any]:
    hidden = output.sensitive and not isinstance(output.after, (Sensitive, Unknown))
    return [
        output.name,
        output.action.value,
        _sealed(Sensitive(output.after) if hidden else output.after, key),
    ]
