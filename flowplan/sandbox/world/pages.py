"""Lists: order, cursors and pages (provider.md 1.4)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.index import Where
from flowplan.sandbox.world.request import Response
from flowplan.sandbox.world.world import Moment, World
from flowplan.values.classes import frozen


@frozen
class Sort:
    """An order by something else than creation: in groups of equal value, in each by creation.

    ``groups`` are the values there may be, in ascending order; ``where`` narrows the search to what may belong to
    a group, and ``of`` tells the group of an object.
    """

    groups: Sequence[str]
    where: Callable[[str], Where]
    of: Callable[[Any], str]


def by_facet(world: World, kind: str, facet: str) -> Sort:
    """The order by a facet of the kind's index."""
    return Sort(
        world.present(kind, facet), lambda group: {facet: (group,)}, lambda value: _text(value, facet)
    )


@frozen
class Paging:
    """Which page of which order a query asks for; ``after`` is where the page before ended."""

    limit: int
    sort_by: str
    descending: bool
    after: tuple[str, int] | None


def read_paging(world: World, query: Fields, sort_keys: Sequence[str] | None = ()) -> Paging:
    """The page a query asks for; its faults are noted in ``query``, to be checked before a page is made.

    ``sort_keys`` are the ways to sort besides by creation; None for a list without such parameters, which goes from
    new to old unless the rules say otherwise.
    """
    limit = query.integer("limit", required=False, minimum=1, maximum=100) or world.rules.page_size
    sort_by, descending = "created_at", world.rules.newest_first
    usual = "desc" if descending else "asc"
    if sort_keys is not None:
        sort_by = query.choice("sort_by", ("created_at", *sort_keys), required=False, default="created_at")
        descending = query.choice("sort_dir", ("asc", "desc"), required=False, default=usual) == "desc"
    cursor = query.text("next_cursor", required=False)
    after = _read_cursor(cursor, sort_by, descending) if cursor else None
    if cursor and after is None:
        query.fault("next_cursor", "Invalid cursor")
    return Paging(limit, sort_by, descending, after)


def page(
    world: World,
    moment: Moment,
    paging: Paging,
    kind: str,
    where: Where,
    render: Callable[[Any], str],
    sorts: Mapping[str, Callable[[], Sort]] | None = None,
    keep: Callable[[Any], bool] | None = None,
    name: str = "data",
    prepare: Callable[[Iterable[Any]], None] | None = None,
) -> Response:
    """One page of the objects of a kind, in the order asked for; ``render`` gives an object's JSON text.

    ``prepare`` is told before which ones there will be.

    A cursor stands for the last object handed out, so what is added meanwhile moves nothing.
    """
    sort = sorts[paging.sort_by]() if sorts is not None and paging.sort_by in sorts else None
    seen = _seen(world, moment)
    walk = (
        (group, value)
        for group, value in _walk(world, kind, where, sort, paging.after, paging.descending)
        if seen(value) and (keep is None or keep(value))
    )
    found = list(islice(walk, paging.limit + 1))
    shown = found[: paging.limit]
    more = None
    if len(found) > paging.limit:
        group, last = shown[-1]
        more = _write_cursor(paging.sort_by, paging.descending, group, last.seq)
    if prepare is not None:
        prepare(value for _, value in shown)
    rows = ", ".join(render(value) for _, value in shown)
    return Response(200, text=f'{{"{name}": [{rows}], "next_cursor": {json.dumps(more)}}}')


def visible(world: World, moment: Moment, found: Iterable[Any]) -> list[Any]:
    """Those objects that lists show already (all, unless the rules make lists lag)."""
    return list(filter(_seen(world, moment), found))


def _seen(world: World, moment: Moment) -> Callable[[Any], bool]:
    if not world.rules.list_lag_s:
        return lambda _: True
    latest = moment.now - timedelta(seconds=world.rules.list_lag_s)
    return lambda item: item.created_at <= latest


def _walk(
    world: World,
    kind: str,
    where: Where,
    sort: Sort | None,
    after: tuple[str, int] | None,
    descending: bool,
) -> Iterator[tuple[str, Any]]:
    if sort is None:
        for value in world.select(kind, where, after and after[1], descending):
            yield "", value
        return
    for group in reversed(sort.groups) if descending else sort.groups:
        if after and (group > after[0] if descending else group < after[0]):
            continue
        start = after[1] if after and group == after[0] else None
        for value in world.select(kind, _both(where, sort.where(group)), start, descending):
            if sort.of(value) == group:
                yield group, value


def _both(one: Where, two: Where) -> Where:
    return {
        facet: set(one[facet]) & set(two[facet])
        if facet in one and facet in two
        else (one if facet in one else two)[facet]
        for facet in {**one, **two}
    }


def _text(value: Any, facet: str) -> str:
    found = getattr(value, facet)
    return found if isinstance(found, str) else str(found.isoformat())


def _write_cursor(sort_by: str, descending: bool, group: str, seq: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort_by, descending, group, seq]).encode()).decode()


def _read_cursor(cursor: str, sort_by: str, descending: bool) -> tuple[str, int] | None:
    try:
        by, down, group, seq = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if (by, down) == (sort_by, descending) and isinstance(group, str) and isinstance(seq, int):
            return group, seq
    except (ValueError, TypeError, RecursionError):
        pass
    return None
