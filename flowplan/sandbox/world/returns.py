"""Giving reserved capacity back (provider.md 2.3)."""

from __future__ import annotations

from attrs import evolve

from flowplan.sandbox.world import auction
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.machines import switch
from flowplan.sandbox.world.offers import return_credit
from flowplan.sandbox.world.records import ReservationEvent
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

_READY = ("STATUS_RUNNING", "STATUS_PAUSED")


def terminate_instances(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """POST /v2/reservation/{fid}/terminate-instances: end machines and shrink the reservation by them, for a credit.

    A machine that is booting or stopping cannot be ended: 207 names those that were, 502 says that none was.
    """
    order = world.reservations.get(fid)
    if order is None or order.project not in request.caller.projects:
        raise Refusal(404, f"Reservation {fid} not found")
    fields = Fields(request.body, "body")
    fids = fields.texts("instances", least=1, unique=True)
    if fields.boolean("reduce_capacity", required=True) is False:
        fields.fault("reduce_capacity", "Input should be true", "literal_error")
    fields.check()
    if not order.is_live:
        raise Refusal(400, "Reservation has already ended")
    for one in fids:
        if one not in order.instances:
            raise Refusal(404, f"Instance {one} not found")
    ended = tuple(one for one in fids if world.instances[one].status(moment.now) in _READY)
    if not ended:
        raise Refusal(502, "No instance could be stopped")
    credit = return_credit(order, len(ended), moment.now)
    switch(world, ended, "TERMINATED", moment)
    left = tuple(one for one in order.instances if one not in ended)
    events = [ReservationEvent(moment.now, "Terms Changed", request.caller.user, return_cents=credit)]
    if not left:
        events.append(ReservationEvent(moment.now, "Ended", request.caller.user))
    world.put(
        evolve(
            order,
            instance_quantity=len(left),
            instances=left,
            returned=(*order.returned, *ended),
            returned_cents=order.returned_cents + credit,
            status=order.status if left else "Ended",
            deactivated_at=None if left else moment.now,
            history=(*order.history, *events),
        )
    )
    auction.call(world, order.instance_type, moment)
    return Response(200 if len(ended) == len(fids) else 207, {"terminated_instances": list(ended)})
