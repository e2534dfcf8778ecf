"""Switching machines on and off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from flowplan.sandbox.world.records import Bid, Instance, Reservation
from flowplan.sandbox.world.world import Effect, Moment, World

SWITCHED_OFF = ("PAUSED", "PREEMPTED", "TERMINATED", "RELOCATING")
"""The states of a machine that does not run."""


def switch_on(world: World, order: Bid | Reservation, moment: Moment) -> tuple[str, ...]:
    """Start an order's machines, making them if it never had any; their ids."""
    if order.instances:
        switch(world, order.instances, "RUNNING", moment)
        return order.instances
    made = []
    for number in range(1, order.instance_quantity + 1):
        seq = world.take_seq()
        instance = Instance(
            fid=moment.new_fid("inst"),
            seq=seq,
            name=f"{order.name}-{number}",
            project=order.project,
            created_by=order.created_by,
            created_at=moment.now,
            instance_type=order.instance_type,
            region=order.region,
            private_ip=_loopback(seq),
            bid=order.fid if isinstance(order, Bid) else None,
            reservation=None if isinstance(order, Bid) else order.fid,
        )
        up_at = _up_at(world, instance.fid, instance.boots, moment)
        world.put(instance.moved("RUNNING", moment.now, running_at=up_at))
        world.effects.append(Effect("start", instance.fid, instance.boots))
        made.append(instance.fid)
    return tuple(made)


def switch(world: World, fids: Iterable[str], state: str, moment: Moment) -> None:
    """Bring machines into a state; those already ended stay ended."""
    for fid in fids:
        instance = world.instances[fid]
        if instance.state in ("TERMINATED", state):
            continue
        is_off = instance.state in SWITCHED_OFF
        if state == "RUNNING" and is_off:
            boots = instance.boots + 1
            up_at = _up_at(world, fid, boots, moment)
            world.put(instance.moved(state, moment.now, boots=boots, running_at=up_at))
            world.effects.append(Effect("start", fid, boots))
            continue
        if state == "PREEMPTING" and is_off:
            continue
        if "PREEMPTING" in (state, instance.state):
            world.effects.append(Effect("notice", fid, instance.boots))
        if state in SWITCHED_OFF and not is_off:
            world.effects.append(Effect("stop", fid, instance.boots))
        world.put(instance.moved(state, moment.now))


def _up_at(world: World, fid: str, boots: int, moment: Moment) -> datetime:
    """When a machine that is switched on now will run: after a drawn delay."""
    mean = moment.boot_delay_s if world.rules.boot_s is None else world.rules.boot_s
    digest = hashlib.blake2b(f"{fid}\0{boots}".encode(), digest_size=8).digest()
    share = 500 + int.from_bytes(digest, "big") % 1001
    return moment.now + timedelta(microseconds=round(mean * share * 1000))


def _loopback(number: int) -> str:
    """An address of this machine that no other instance has, so that nodes can talk to each other."""
    return f"127.{1 + number // 62500 % 250}.{1 + number // 250 % 250}.{1 + number % 250}"
