"""What the provider remembers of an object: its events, and who did them (spec/provider.md, 2.1 and 2.3)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

from flowplan.ports import HistoryEvent
from flowplan.provider.http import Client
from flowplan.provider.redaction import shown
from flowplan.values.address import Kind
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.quantity import parse_instant

_PATHS = {Kind.TASK: "/v2/spot/bids", Kind.RESERVATION: "/v2/reservation"}
_MOST = 1000


async def read_history(client: Client, kind: Kind, id: str) -> list[HistoryEvent]:
    """The events of one task or reservation, oldest first; none where the provider has or tells none.

    A history explains; it decides nothing. So one that cannot be read is one that says nothing.
    """
    if kind not in _PATHS:
        return []
    try:
        document = await client.read(
            f"{_PATHS[kind]}/{quote(id, safe='')}/history", what=f"the {kind.value}'s history"
        )
    except FlowplanError:
        return []
    rows = document.get("events") if isinstance(document, dict) else None
    return [_event(row) for row in (rows if isinstance(rows, list) else [])[:_MOST] if isinstance(row, dict)]


async def read_first_run(client: Client, project: str, bid: str) -> datetime | None:
    """When the first instance of a bid first ran; None where that is not told, or it never did."""
    params = {"project": project, "bid_fid": bid, "limit": "100"}
    try:
        document = await client.read("/v2/instances/status/history", params, "the instances' history")
    except FlowplanError:
        return None
    rows = document.get("instances") if isinstance(document, dict) else None
    found: list[datetime] = []
    for row in rows if isinstance(rows, list) else ():
        events = row.get("events") if isinstance(row, dict) else None
        for event in (events if isinstance(events, list) else [])[:_MOST]:
            if isinstance(event, dict) and event.get("status") == "STATUS_RUNNING":
                with suppress(ValueError, OverflowError):
                    found.append(parse_instant(str(event.get("timestamp"))))
    return min(found, default=None)


def _event(row: dict[str, Any]) -> HistoryEvent:
    def text(*names: str) -> str:
        found = next((row[name] for name in names if isinstance(row.get(name), str)), "")
        return shown(found)

    return HistoryEvent(
        text("timestamp", "created_at", "at"), text("event_type", "type"), text("user_id", "user")
    )
