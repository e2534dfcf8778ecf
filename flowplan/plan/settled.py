"""Telling at once that a resource is as the stack says, without a look at each of its attributes.

These say yes only where `flowplan.plan.decide` would find nothing to do, and `flowplan.plan.drift` nothing to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.lang.stack import Resource
from flowplan.plan.decide import dependencies_of
from flowplan.plan.diff import update_targets
from flowplan.plan.drift import is_as_left
from flowplan.resources import ResourceKind
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind


def is_ordinary(resource: Resource, record: Record) -> bool:
    """Whether nothing but its configuration and its dependencies decides about it, and the latter are on record."""
    life = resource.lifecycle
    return (
        not (life.replace_triggered_by or record.triggers or record.deposed or resource.requirements)
        and life.prevent_destroy == record.protected
        and (life.on_remove == "retain") == record.retained
        and record.attributes.get("completion") is None
        and dependencies_of(resource, {}) == record.dependencies
    )


def is_settled(
    kind: ResourceKind, record: Record, current: Mapping[str, Any], targets: Mapping[str, Any]
) -> bool:
    """Whether what is there now is as it was left, and as it is asked for; it is the record's own where none looked."""
    if kind.kind is Kind.TASK and targets["instance_type"] is None:
        return False  # one has to be chosen
    return is_as_left(record, current) and not update_targets(kind, current, targets)
