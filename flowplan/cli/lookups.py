"""Carrying out a stack's lookups: through the provider, and in the recorded state of other stacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowplan.cli.context import Connection, Context
from flowplan.cli.project import Project
from flowplan.lang.entries import NoResult, Query, Results
from flowplan.lang.lookups import LOOKUPS
from flowplan.lang.stack import Stack
from flowplan.models.instance_types import size_of
from flowplan.plan.observation import Observed, Offer
from flowplan.ports import Handle
from flowplan.resources import kind_of
from flowplan.resources.price import gpu_family
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostics, did_you_mean
from flowplan.values.quantity import format_instant

if TYPE_CHECKING:
    from flowplan.provider.mithril.provider import MithrilProvider

Result = Mapping[str, Any] | NoResult
Load = Callable[[Results], "tuple[Stack | None, Diagnostics]"]
"""Reads the stack once more, with what is known of its lookups."""
_KINDS = {"volume": Kind.VOLUME, "reservation": Kind.RESERVATION, "task": Kind.TASK}


def load_with_lookups(
    context: Context, project: Project, load: Load, stack: Stack, lenient: bool
) -> tuple[Stack | None, Diagnostics, Results]:
    """The stack with its lookups carried out, what is wrong with it, and what came of them.

    ``stack`` is what was read without them. A lookup may use what another one has found, so it is read and asked
    in turns until nothing is left to ask. ``lenient``: what finds nothing counts as not carried out, and where what is
    found does not do, nothing counts.

    Raises:
        FlowplanError: the provider or the state cannot be asked.
    """
    results: dict[str, Result] = {}
    read: Stack | None = stack
    found = Diagnostics()
    while read is not None and (asked := [query for query in read.lookups if query.key not in results]):
        results |= asyncio.run(_carry_out(context, project, read, asked))
        read, found = load(_known(results, lenient))
    if read is None and lenient:
        return *load({}), {}
    return read, found, _known(results, lenient)


def _known(results: Mapping[str, Result], lenient: bool) -> Results:
    return {key: one for key, one in results.items() if not (lenient and isinstance(one, NoResult))}


async def _carry_out(
    context: Context, project: Project, stack: Stack, queries: Sequence[Query]
) -> dict[str, Result]:
    results: dict[str, Result] = {q.key: _outputs(context, project, q) for q in queries if q.kind == "stack"}
    rest = [query for query in queries if query.kind != "stack"]
    if rest:
        region = context.region(stack)
        async with context.connect(stack, project) as connection:
            market = _Market(connection)
            for query in rest:
                results[query.key] = await market.answer(query, region)
    return results


def _outputs(context: Context, project: Project, query: Query) -> Result:
    """The outputs of another stack, as they were recorded when it was last applied."""
    name = query.argument("name") or ""
    names: list[str] = []
    if (project.state / "flowplan.db").exists():
        backend = context.backend(project)
        try:
            names = backend.stacks()
            if name in names:
                return {"outputs": dict(backend.snapshot(name).outputs)}
        finally:
            backend.close()
    known = (
        f"Recorded here: {', '.join(names)}." if names else "Nothing is recorded here yet: apply it first."
    )
    return NoResult(f"no stack {name!r} is recorded", did_you_mean(name, names) or known)


class _Market:
    """What lookups ask of one provider; each listing is asked for once."""

    def __init__(self, connection: Connection) -> None:
        self._provider: MithrilProvider = connection.provider
        self._offers: Sequence[Offer] | None = None

    async def answer(self, query: Query, region: str) -> Result:
        """What comes of one lookup."""
        if query.kind in _KINDS:
            return _only(query, await self._objects(_KINDS[query.kind], query))
        if query.kind == "ssh_key":
            rows = await self._provider.api.ssh_keys(await self._provider.project())
            keys = [{"ssh_key_id": k.fid, "name": k.name, "public_key": k.public_key} for k in rows]
            return _only(query, [key for key in keys if _fits(query, key, "ssh_key_id")], _names(keys))
        if query.kind == "image_version":
            images = await self._images()
            return _only(query, [i for i in images if _fits(query, i, "image_version_id")], _names(images))
        return self._offer(query, region, await self._market())

    async def _objects(self, kind: Kind, query: Query) -> list[Mapping[str, Any]]:
        """The live objects that a lookup fits."""
        id, name = query.argument("id"), query.argument("name")
        found: Iterable[Observed]
        if name is not None:
            found = await self._provider.find(Handle(kind, name))
        else:
            assert id is not None, "a lookup has an id or a name"
            found = (await self._provider.observe([(kind, id)], [kind])).objects.values()
        rows = [_attributes(query.kind, one) for one in found if one.exists]
        return [row for row in rows if _fits(query, row, kind_of(kind).id_attribute)]

    async def _images(self) -> list[Mapping[str, Any]]:
        document = await self._provider.client.read("/v2/image-versions", what="image versions")
        rows = document if isinstance(document, list) else []
        return [
            {"image_version_id": row["image_version_fid"], "name": str(row.get("image_version_name") or "")}
            for row in rows
            if isinstance(row, dict)
            and isinstance(row.get("image_version_fid"), str)
            and row.get("deactivated_at") is None
        ]

    async def _market(self) -> Sequence[Offer]:
        if self._offers is None:
            self._offers = (await self._provider.observe((), ())).offers
        return self._offers

    def _offer(self, query: Query, region: str, offers: Sequence[Offer]) -> Result:
        """What the market says of an instance type, in a region or in all of them."""
        wanted = query.argument("instance_type") or query.argument("name") or ""
        fitting = [offer for offer in offers if _is(offer, wanted)]
        names = sorted({offer.instance_type for offer in offers})
        if not fitting:
            near = did_you_mean(wanted, names) or f"Offered are {', '.join(names)}."
            return NoResult(f"{wanted!r} is not offered anywhere now", near)
        regions = sorted({offer.region for offer in fitting})
        if query.kind == "instance_type":
            here = query.argument("region")
            fitting = [offer for offer in fitting if here in (None, offer.region)]
            if not fitting:
                return NoResult(
                    f"{wanted!r} is not offered in {here} now", f"It is offered in {', '.join(regions)}."
                )
            first = fitting[0]
            return {
                "name": first.instance_type, "gpus": first.gpus, "gpu_memory_gb": first.gpu_memory_gb,
                "regions": sorted({offer.region for offer in fitting}),
            }  # fmt: skip
        place = query.argument("region") or region
        here_offered = [offer for offer in fitting if offer.region == place]
        if not here_offered:
            return NoResult(
                f"{wanted!r} is not offered in {place} now", f"It is offered in {', '.join(regions)}."
            )
        facts: dict[str, Any] = {"instance_type": here_offered[0].instance_type, "region": place}
        if query.kind == "availability":
            return {**facts, "available": sum(offer.available or 0 for offer in here_offered)}
        cents = [offer.price_cents for offer in here_offered if offer.price_cents is not None]
        if not cents:
            return NoResult(f"{wanted!r} has no price in {place} now", "Leave the lookup out.")
        return {**facts, "price_per_hour": min(cents) / 100}


def _is(offer: Offer, wanted: str) -> bool:
    """Whether an offer is of the type that ``wanted`` spells, in any of its spellings."""
    if wanted in (offer.instance_type, offer.type_id):
        return True
    family = gpu_family(wanted)
    same = family is not None and family == gpu_family(offer.instance_type)
    return same and size_of(wanted).gpus == size_of(offer.instance_type).gpus


def _attributes(kind: str, observed: Observed) -> dict[str, Any]:
    """The attributes that a lookup of a kind gives, of one object; plain data."""
    known = {**observed.attributes, "name": observed.name}
    known[kind_of(observed.kind).id_attribute] = observed.id
    known["num_instances"] = known.get("num_instances", known.get("quantity"))
    if observed.created_at is not None:
        known["created_at"] = format_instant(observed.created_at)
    return {name: known.get(name) for name in LOOKUPS[kind].attributes}


def _fits(query: Query, row: Mapping[str, Any], id_attribute: str) -> bool:
    for name, wanted in query.arguments:
        value = row.get(id_attribute if name == "id" else name)
        if str(value).lower() != wanted.lower() if name in ("interface", "status") else value != wanted:
            return False
    return True


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(str(row["name"]) for row in rows)


def _only(query: Query, rows: Sequence[Mapping[str, Any]], known: Sequence[str] = ()) -> Result:
    """The one that fits; none or several are no result."""
    if len(rows) == 1:
        return rows[0]
    said = " and ".join(f"{name} {value!r}" for name, value in query.arguments)
    noun = query.kind.replace("_", " ")
    if not rows:
        near = did_you_mean(query.argument("name") or "", known)
        listed = f"There are: {', '.join(known[:20])}." if known else "Check the project and the spelling."
        return NoResult(f"there is no {noun} with {said}", near or listed)
    key = LOOKUPS[query.kind].itself
    ids = ", ".join(sorted(str(row[key]) for row in rows)[:10])
    return NoResult(f"{len(rows)} {noun}s have {said}", f"Ask for one of them by its id: {ids}.")
