"""Lists: order, cursors and pages (provider.md 1.4)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from typing import Any

from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.request import refuse_field
from flowplan.sandbox.world.world import Moment, World

_PAGE = 20


def page(
    found: Iterable[Any],
    query: Fields,
    sort_keys: Collection[str],
    sort_text: Callable[[Any], str],
    render: Callable[[Any], Any],
) -> dict[str, Any]:
    """One page of ``found`` (which comes in order of creation), ordered as the query asks.

    ``sort_text`` gives what to sort by when ``sort_by`` is not ``created_at``. A cursor stands for the last
    object handed out, so what is added meanwhile moves nothing.
    """
    limit = query.integer("limit", required=False, minimum=1, maximum=100) or _PAGE
    sort_by = query.choice("sort_by", sort_keys, required=False, default="created_at")
    descending = query.choice("sort_dir", ("asc", "desc"), required=False, default="desc") == "desc"
    cursor = query.text("next_cursor", required=False)
    query.check()
    items = list(found)
    keys = [("" if sort_by == "created_at" else sort_text(item), item.seq) for item in items]
    order = list(range(len(items)))
    if sort_by != "created_at":
        order.sort(key=keys.__getitem__)
    if descending:
        order.reverse()
    if cursor:
        last = _read_cursor(cursor, sort_by, descending)
        order = [i for i in order if (keys[i] < last if descending else keys[i] > last)]
    shown = order[:limit]
    more = _write_cursor(sort_by, descending, keys[shown[-1]]) if len(order) > limit else None
    return {"data": [render(items[i]) for i in shown], "next_cursor": more}


def visible(world: World, moment: Moment, found: Iterable[Any]) -> Iterable[Any]:
    """Those objects that lists show already (all, unless the rules make lists lag)."""
    if not world.rules.list_lag_s:
        return found
    latest = moment.now - timedelta(seconds=world.rules.list_lag_s)
    return [item for item in found if item.created_at <= latest]


def _write_cursor(sort_by: str, descending: bool, key: tuple[str, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort_by, descending, *key]).encode()).decode()


def _read_cursor(cursor: str, sort_by: str, descending: bool) -> tuple[str, int]:
    try:
        by, down, text, seq = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if (by, down) == (sort_by, descending) and isinstance(text, str) and isinstance(seq, int):
            return text, seq
    except (ValueError, TypeError):
        pass
    raise refuse_field(["query", "next_cursor"], "Invalid cursor")
