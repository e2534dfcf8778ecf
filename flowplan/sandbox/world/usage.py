"""What became of a reservation: its history and its use (provider.md 2.3)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.charges import running
from flowplan.sandbox.world.offers import pause_credit
from flowplan.sandbox.world.records import Instance, Reservation, ReservationEvent
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

_STATUSES = {
    "Pending": "Open",
    "Active": "Allocated",
    "Paused": "Paused",
    "Canceled": "Terminated",
    "Ended": "Terminated",
}
"""Usage speaks of reservations in the words of bids."""
_TOLD = {"Active": "Started", "Paused": "Paused", "Terms Changed": "Extended"}


def history(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/reservation/{fid}/history, oldest event first."""
    order = _find(world, request, fid)
    return Response(200, {"reservation_fid": fid, "events": [_event(event) for event in order.history]})


def usage(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/reservation/{fid}/usage."""
    order = _find(world, request, fid)
    machines = [world.instances[one] for one in (*order.returned, *order.instances)]
    return Response(
        200,
        {
            "reservation": {
                "fid": fid,
                "order_name": order.name,
                "start_date": wire.instant(order.start_time),
                "end_date": wire.instant(order.end_time),
                "status": _STATUSES[order.status],
                "committed_cost_cents": order.total_cents,
            },
            "summary": _summary(world, order, machines, moment.now),
            "grants": [
                {
                    "fid": grant.fid,
                    "starts_at": wire.instant(grant.starts_at),
                    "ends_at": wire.instant(grant.ends_at),
                    "quantity": grant.quantity,
                    "unit_price": grant.unit_cents,
                    "price_credit": grant.pause_cents,
                    "return_credit": grant.return_cents,
                }
                for grant in order.grants
            ],
            "pricing_events": _machine_events(machines, moment.now),
            "reservation_events": [
                {
                    "occurred_at": wire.instant(event.at),
                    "event_type": _TOLD[event.kind],
                    "reservation_name": order.name,
                }
                for event in order.history
                # Giving capacity back changes the terms too; only an extension has a price.
                if event.kind in _TOLD and (event.kind != "Terms Changed" or event.unit_cents is not None)
            ],
        },
    )


def credit_cents(world: World, order: Reservation, now: datetime) -> int:
    """What pausing machines of a reservation has brought so far, in cents."""
    fids = (*order.returned, *order.instances)
    return pause_credit(order, [pause for fid in fids for pause in _pauses(world.instances[fid], now)])


def _summary(world: World, order: Reservation, machines: list[Instance], now: datetime) -> dict[str, Any]:
    pauses = credit_cents(world, order, now)
    held = sum((_held(order, machine, now) for machine in machines), timedelta(0))
    active = sum(
        (end - start for machine in machines for start, end, _ in running(machine, now)), timedelta(0)
    )
    bought = sum(((grant.ends_at - grant.starts_at) * grant.quantity for grant in order.grants), timedelta(0))
    return {
        "committed_cost_cents": order.total_cents,
        "flex_use_credits_cents": pauses,
        "early_termination_credits_cents": order.returned_cents,
        "net_cost_cents": order.total_cents - pauses - order.returned_cents,
        "reserved_instance_hours": _duration(bought),
        "active_instance_hours": _duration(active),
        "idle_instance_hours": _duration(max(timedelta(0), held - active)),
        "as_of": wire.instant(now),
    }


def _held(order: Reservation, machine: Instance, now: datetime) -> timedelta:
    """How long a machine has been the reservation's."""
    ends = [event.at for event in machine.events if event.status == "TERMINATED" and event.at <= now]
    end = min([now, order.end_time, *ends])
    return max(timedelta(0), end - machine.created_at)


def _pauses(machine: Instance, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    begun: datetime | None = None
    for event in machine.events:
        if event.at > now:
            break
        if begun is not None and event.status != "PAUSED":
            yield begun, event.at
            begun = None
        elif begun is None and event.status == "PAUSED":
            begun = event.at
    if begun is not None:
        yield begun, now


def _machine_events(machines: list[Instance], now: datetime) -> list[dict[str, Any]]:
    found = [
        (event.at, machine.seq, number, event.status, machine)
        for machine in machines
        for number, event in enumerate(machine.events)
        if event.at <= now
    ]
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{machine.fid}/{number}")),
            "occurred_at": wire.instant(at),
            "instance_fid": machine.fid,
            "instance_name": machine.name,
            "instance_status": f"STATUS_{status}",
        }
        for at, _, number, status, machine in sorted(found, key=lambda item: item[:3])
    ]


def _event(event: ReservationEvent) -> dict[str, Any]:
    return {
        "timestamp": wire.instant(event.at),
        "event_type": event.kind,
        "user_id": event.user,
        "unit_price_cents": event.unit_cents,
        "pause_credit_cents": event.pause_cents,
        "return_credit_cents": event.return_cents,
    }


def _duration(lasted: timedelta) -> str:
    """A length of time as ISO 8601 writes it, in whole seconds: PT3H, PT1H0M5S."""
    hours, rest = divmod(lasted // timedelta(seconds=1), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"PT{hours}H{minutes}M{seconds}S" if rest else f"PT{hours}H"


def _find(world: World, request: Request, fid: str) -> Reservation:
    order = world.reservations.get(fid)
    if order is None or order.project not in request.caller.projects:
        raise Refusal(404, f"Reservation {fid} not found")
    return order
