"""What can be known to go wrong before anything is sent: checks over the finished changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import Action, Mode, PlanOptions, ResourceChange
from flowplan.plan.holders import check_holders
from flowplan.plan.observation import Observation
from flowplan.resources.price import gpu_family
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.value import Path, is_known

_MADE = (Action.CREATE, Action.REPLACE)


def check(
    stack: Stack,
    snapshot: Snapshot,
    observation: Observation | None,
    changes: Sequence[ResourceChange],
    options: PlanOptions,
) -> Iterator[Diagnostic]:
    """Diagnostics about the plan as a whole."""
    if options.mode is Mode.DESTROY:
        return
    made = [change for change in changes if change.action in _MADE]
    yield from check_holders(stack)
    yield from _names(stack, snapshot, observation, made)
    yield from _exchanged(stack, changes)
    for change in made:
        resource = stack.resources[change.address]
        if change.kind is Kind.TASK:
            yield from _price(change, resource)
            yield from _regions(change, resource, stack, options)
        if change.kind in (Kind.TASK, Kind.RESERVATION) and not change.targets.get("region"):
            yield _point(
                resource,
                ("region",),
                f"{change.address} has no region",
                "Nothing says where it should run.",
                "Set region on it, or once in the provider section.",
            )


def _point(resource: Resource, path: Path, summary: str, detail: str, suggestion: str = "") -> Diagnostic:
    span, snippet = resource.span_of(path)
    return Diagnostic.error(
        summary,
        detail,
        span=span or resource.span,
        snippet=snippet or resource.snippet,
        address=resource.address,
        suggestion=suggestion,
    )


def _price(change: ResourceChange, resource: Resource) -> Iterator[Diagnostic]:
    if change.targets.get("limit_price") is None:
        kind = resource.config.get("instance_type")
        if isinstance(kind, str) and gpu_family(kind) is None:
            why = f"There is no price tier for {kind}, so its priority does not say what to bid."
        else:
            why = "Nothing says what to bid: the instance type is chosen by memory, so it has no price tier."
        yield _point(
            resource,
            ("instance_type",),
            f"{change.address} has no price",
            why,
            "Set max_price_per_hour, in dollars per instance and hour.",
        )


def _regions(
    change: ResourceChange, resource: Resource, stack: Stack, options: PlanOptions
) -> Iterator[Diagnostic]:
    """A volume can be mounted only in its own region; the volumes of a stack are in its provider's region."""
    region = change.targets.get("region")
    for reference in resource.references:
        mounted = reference.address.kind is Kind.VOLUME and reference.address in stack.resources
        if mounted and is_known(region) and region != options.region:
            yield _point(
                resource,
                ("region",),
                f"{change.address} and {reference.address} are in different regions",
                f"The task is in {region}, the volume is in {options.region}; a volume cannot be used elsewhere.",
                "Give both the same region.",
            )
            return


def _exchanged(stack: Stack, changes: Sequence[ResourceChange]) -> Iterator[Diagnostic]:
    """Volumes that would take each other's names: each would have to wait for the other to give its name up."""
    renamed = {c.name: c for c in changes if c.kind is Kind.VOLUME and "name" in c.update and not c.deposed}
    done: set[Address] = set()
    for first in renamed.values():
        path: dict[Address, ResourceChange] = {}
        at: ResourceChange | None = first
        while at is not None and at.address not in done:
            done.add(at.address)
            path[at.address] = at
            at = renamed.get(str(at.targets.get("name")))
        if at is None or at.address not in path:
            continue
        circle = list(path.values())[list(path).index(at.address) :]
        if len(circle) > 1:
            yield _point(
                stack.resources[at.address],
                ("name",),
                f"{' and '.join(str(change.address) for change in circle)} would exchange their names",
                "Names are unique in a project, so none of them can be renamed before the others.",
                "Give one of them a third name, apply that, and then the names they are to have.",
            )


def _names(
    stack: Stack, snapshot: Snapshot, observation: Observation | None, made: Sequence[ResourceChange]
) -> Iterator[Diagnostic]:
    """Two resources that would bear one name where the provider lets only one have it, or we could not tell them apart."""
    claimed: dict[tuple[Kind, str], Address] = {}
    for address, resource in stack.resources.items():
        name = resource.config.get("name")
        if not isinstance(name, str) or (address.kind is Kind.TASK and resource.config.get("unique_name")):
            continue
        other = claimed.setdefault((address.kind, name), address)
        if other is not address and other != address:
            yield _point(
                resource,
                ("name",),
                f"{other} and {address} have the same name",
                f"Both would be called {name!r} at the provider.",
                "Give one of them another name.",
            )
    if observation is None or not made:
        return
    taken = {
        (o.kind, o.name): o.id for o in observation.objects.values() if o.exists and o.kind is Kind.VOLUME
    }
    recorded = set(snapshot.ids()) | {(change.kind, change.imported) for change in made}
    for change in made:
        name = change.targets.get("name")
        if change.kind is Kind.VOLUME and isinstance(name, str) and (change.kind, name) in taken:
            holder = taken[change.kind, name]
            if (change.kind, holder) not in recorded:
                resource = stack.resources[change.address]
                yield _point(
                    resource,
                    ("name",),
                    f"A volume named {name!r} already exists",
                    f"It is {holder}, it belongs to no resource of this stack, and names are unique in a project.",
                    "Give this one another name, or mount the existing one by its volume_id.",
                )
