"""Giving reserved capacity back: pause the instances, then end them for good (spec/provider.md, 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from flowplan.ports import Ambiguous, Done, Outcome, Refused
from flowplan.provider.failure import Failure
from flowplan.provider.mithril.outcome import outcome_of
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.provider.mithril.provider import MithrilProvider

_NOT_READY = frozenset({409, 501, 502})
"""The answers for instances that are booting or stopping: none was ended, and later they can be."""


async def return_capacity(
    provider: MithrilProvider, id: str, instances: Sequence[str], idempotency_key: str
) -> Outcome:
    """Pause these instances of a reservation and give them back; see `flowplan.ports.CapacityMarket`.

    What the reservation does not list any more has been given back before, by an earlier request.
    """
    held = await _held(provider, id)
    if isinstance(held, (Refused, Ambiguous)):
        return held
    left = [one for one in instances if one in held]
    if not left:
        return await _look(provider, id)
    url = provider.client.base_url
    pause = {"instances": left, "status": "STATUS_PAUSED"}
    paused = await provider.client.write("PATCH", "/v2/instances", pause, "")
    if isinstance(paused, Failure) and not paused.never_sent:
        return Ambiguous(paused.reason)
    body = {"instances": left, "reduce_capacity": True}
    path = f"/v2/reservation/{quote(id, safe='')}/terminate-instances"
    got = await provider.client.write("POST", path, body, idempotency_key)
    if not isinstance(got, Failure) and got.status in _NOT_READY:
        return Refused(
            Diagnostic.error(
                f"the instances of reservation {id} cannot be given back yet",
                "They are starting or stopping.",
                suggestion="Run apply again in some minutes.",
            ),
            transient=True,
            status=got.status,
        )
    outcome = outcome_of(got, Kind.RESERVATION, "update", url, read=None, secrets=provider.client.secrets())
    if isinstance(outcome, Refused) and outcome.status == 404:
        # One of the instances is gone. What is left of them, if anything, is given back by the next request.
        now = await _look(provider, id)
        if isinstance(now, Done) and now.observed is not None:
            shown = now.observed.attributes.get("instances") or ()
            if not set(left) & set(shown):
                return now
        return outcome if isinstance(now, Done) else now
    return await _look(provider, id) if isinstance(outcome, Done) else outcome


async def _held(provider: MithrilProvider, id: str) -> Sequence[str] | Refused | Ambiguous:
    """The instances a reservation has now."""
    outcome = await _look(provider, id)
    if isinstance(outcome, Done) and outcome.observed is not None:
        return list(outcome.observed.attributes.get("instances") or ())
    return outcome if isinstance(outcome, (Refused, Ambiguous)) else ()


async def _look(provider: MithrilProvider, id: str) -> Outcome:
    """The reservation as it is listed now."""
    try:
        seen = await provider.observe([(Kind.RESERVATION, id)], [Kind.RESERVATION])
    except FlowplanError as error:
        return Ambiguous(str(error))
    found = seen.find(Kind.RESERVATION, id)
    if found is None:
        return Refused(
            Diagnostic.error(f"there is no reservation {id}", suggestion="Plan again."), gone=True, status=404
        )
    return Done(found)
