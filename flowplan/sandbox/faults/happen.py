"""Faults of the world: what happens in markets, quotas and lists, and to objects, without a request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import evolve

from flowplan.sandbox.world import auction
from flowplan.sandbox.world.catalogue import markets
from flowplan.sandbox.world.conditions import market_name
from flowplan.sandbox.world.quotas import quota_fid, set_quota
from flowplan.sandbox.world.records import Bid
from flowplan.sandbox.world.terms import Fault, Override
from flowplan.sandbox.world.world import Effect, Moment, World

WORLD_KINDS = ("lag", "no_capacity", "quota", "spike", "storm", "vanish", "relocate")
_FOREVER = timedelta(days=36500)


def markets_named(name: str) -> list[str]:
    """The type ids of the markets that a name stands for: machine@region, a machine, a region, a type id, or "*"."""
    return [
        fid
        for fid, market in markets().items()
        if name in ("*", "", fid, market_name(market), market.machine.name, market.region.name)
    ]


def happen(world: World, fault: Fault, moment: Moment) -> None:
    """Let a fault of the world happen, or (the second time) pass over again."""
    settings = fault.settings
    lasts = settings.get("for")
    is_end = fault.struck > 0
    end = moment.now + (_FOREVER if lasts is None else timedelta(seconds=lasts))
    if fault.kind == "lag":
        before = settings.get("before", 0.0) if is_end else world.rules.list_lag_s
        world.put(evolve(world.rules, list_lag_s=before if is_end else settings["seconds"]))
        settings = {**settings, "before": before}
    elif fault.kind == "quota":
        settings = {**settings, "before": _set_quotas(world, settings, is_end, moment)}
    elif fault.kind == "vanish":
        _vanish(world, settings, moment)
    elif fault.kind == "relocate":
        for bid in _bids(world, settings["name"]):
            if bid.status == "Allocated":
                auction.relocate_bid(world, bid, moment)
    else:
        _override(world, fault, None if lasts is None else end, moment)
    lasts_on = lasts is not None and not is_end and fault.kind in ("lag", "quota")
    due_at = end if lasts_on else None
    matched = fault.matched + 1
    over = not lasts_on and (fault.kind in ("vanish", "relocate") or lasts is not None)
    world.put(evolve(fault, settings=settings, due_at=due_at, matched=matched, struck=matched, over=over))


def clear(world: World, fault: Fault, moment: Moment) -> None:
    """Take a fault back: what it holds open ends now, what it has destroyed stays destroyed."""
    if fault.over and fault.kind not in ("spike", "storm", "no_capacity"):
        return
    if fault.kind in ("lag", "quota") and fault.struck:
        happen(world, fault, moment)
    for override in list(world.overrides.values()):
        if override.fid.startswith(f"{fault.fid}/") and (
            override.until is None or override.until > moment.now
        ):
            world.put(evolve(override, until=max(moment.now, override.since)))
            auction.rouse(world, moment, override.market)
    world.put(evolve(world.faults[fault.fid], over=True, due_at=None))


def _override(world: World, fault: Fault, until: Any, moment: Moment) -> None:
    settings = fault.settings
    price = settings.get("price_cents")
    for type_fid in markets_named(settings.get("market", "*")):
        world.put(
            Override(
                fid=f"{fault.fid}/{type_fid}",
                seq=world.take_seq(),
                market=type_fid,
                since=moment.now,
                until=until,
                price_cents=price,
                capacity=0 if fault.kind == "storm" else None,
                refuses=fault.kind == "no_capacity",
            )
        )
        auction.rouse(world, moment, type_fid)


def _set_quotas(
    world: World, settings: dict[str, Any], is_end: bool, moment: Moment
) -> dict[str, int | None]:
    """Fill quotas, or put back what they were before; what they were."""
    product, before = settings["product"], settings.get("before", {})
    found: dict[str, int | None] = {}
    for project in world.projects:
        for type_fid in [""] if product == "Storage" else markets_named(settings.get("market", "*")):
            fid = quota_fid(project, product, type_fid)
            known = world.quotas.get(fid)
            found[fid] = None if known is None else known.total
            total = before.get(fid) if is_end else settings["total"]
            set_quota(world, project, product, total, type_fid)
            if type_fid:
                auction.rouse(world, moment, type_fid)
    return found


def _bids(world: World, name: str) -> list[Bid]:
    """The live bids that have this name or id."""
    named = [bid for bid in world.bids_named(name) if bid.is_live]
    one = world.bids.get(name)
    return [one] if one is not None and one.is_live else named


def _vanish(world: World, settings: dict[str, Any], moment: Moment) -> None:
    """Delete objects behind the back of whoever made them, whether they are in use or not."""
    name, kind = settings["name"], settings["object"]
    if kind == "bid":
        for bid in _bids(world, name):
            auction.end_bid(world, bid, moment)
    elif kind == "volume":
        for volume in list(world.volumes.values()):
            if volume.deleted_at is None and name in (volume.fid, volume.name):
                world.put(evolve(volume, deleted_at=moment.now))
                world.effects.append(Effect("wipe", volume.fid))
    elif kind == "reservation":
        for order in list(world.reservations.values()):
            if order.is_live and name in (order.fid, order.name):
                auction.cancel_reservation(world, order, moment)
    elif kind == "ssh_key":
        for key in list(world.ssh_keys.values()):
            if key.deleted_at is None and name in (key.fid, key.name):
                world.put(evolve(key, deleted_at=moment.now))
