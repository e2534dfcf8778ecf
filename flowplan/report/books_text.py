"""What lives in a project and whose it is: for people, and as a document for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flowplan.plan.books import Books, Holding, Standing
from flowplan.report.paint import Paint, clean
from flowplan.values.quantity import Money, format_instant

FORMAT_VERSION = "1.0"
"""Of `books_document`. Major versions break readers, minor ones add."""

_TITLES = {
    Standing.MANAGED: "Managed: on record in a state",
    Standing.ADOPTABLE: "Adoptable: made by flowplan, and on no record",
    Standing.FOREIGN: "Foreign: nothing here knows it",
}
_HEAD = ("KIND", "NAME", "ID", "REGION", "STATUS", "$/HOUR NOW", "AT MOST", "WHERE")
_RIGHT = (5, 6)


def books_document(books: Books) -> dict[str, Any]:
    """The books as JSON-shaped data (schemas/scan.schema.json)."""
    return {
        "format_version": FORMAT_VERSION,
        "project": books.project,
        "objects": [_object(one) for one in books.holdings],
        "missing": [{"stack": one.stack, "address": str(one.address), "id": one.id} for one in books.missing],
        "stacks_elsewhere": list(books.elsewhere),
        "hourly_usd": {
            standing.value: _dollars(_sum(one.hourly for one in _paying(books.of(standing))))
            for standing in Standing
        },
    }


def _object(one: Holding) -> dict[str, Any]:
    observed = one.observed
    return {
        "kind": observed.kind.value,
        "id": observed.id,
        "name": observed.name,
        "region": observed.attributes.get("region"),
        "status": observed.attributes.get("status"),
        "created_at": format_instant(observed.created_at) if observed.created_at else None,
        "standing": one.standing.value,
        "stack": one.stack or None,
        "address": str(one.address) if one.address else None,
        "note": one.note or None,
        "hourly_usd": _dollars(one.hourly),
        "at_most_hourly_usd": _dollars(one.at_most),
        "prepaid": one.prepaid,
    }


def _dollars(amount: Money | None) -> float | None:
    return None if amount is None else amount.dollars


def _paying(holdings: Iterable[Holding]) -> list[Holding]:
    return [one for one in holdings if not one.prepaid]


def _sum(amounts: Iterable[Money | None]) -> Money:
    return Money(sum(amount.cents for amount in amounts if amount is not None))


def render_books(books: Books, paint: Paint) -> str:
    """The books as tables, one for each standing, with what each costs by the hour."""
    parts = [f"Project {clean(books.project)}"]
    for standing in Standing:
        if holdings := books.of(standing):
            parts.append("\n".join([paint(_TITLES[standing], "bold"), *_table(holdings)]))
    if not books.holdings:
        parts.append("Nothing lives in it.")
    if books.missing:
        lines = [paint("Missing: on record, and not there any more", "bold")]
        lines += [
            f"  {clean(one.stack)}: {clean(str(one.address))} [id={clean(one.id)}]" for one in books.missing
        ]
        parts.append("\n".join(lines))
    parts.append("\n".join(_closing(books)))
    return "\n\n".join(parts)


def _table(holdings: Sequence[Holding]) -> Iterator[str]:
    rows = [_HEAD, *(_row(one) for one in holdings)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    for row in rows:
        cells = [
            cell.rjust(width) if i in _RIGHT else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


def _row(one: Holding) -> tuple[str, ...]:
    seen = one.observed.attributes
    where = f"{one.stack}: {one.address}" if one.address else ""
    note = f" ({one.note})" if one.note else ""
    return (
        one.observed.kind.value,
        clean(one.observed.name),
        clean(one.observed.id),
        clean(str(seen.get("region") or "")),
        clean(str(seen.get("status") or "")),
        _price(one.hourly) + (" paid" if one.prepaid else ""),
        "" if one.prepaid else _price(one.at_most),
        clean(f"{where}{note}".strip()),
    )


def _price(amount: Money | None) -> str:
    return "-" if amount is None else str(amount)


def _closing(books: Books) -> Iterator[str]:
    counts = ", ".join(f"{len(books.of(standing))} {standing.value}" for standing in Standing)
    yield f"{counts}, {len(books.missing)} missing."
    for standing in Standing:
        amount = _sum(one.hourly for one in _paying(books.of(standing)))
        if amount.cents:
            yield f"{standing.value.capitalize()} objects cost {amount} an hour now."
    if any(one.hourly is None for one in books.holdings):
        yield "- stands where the provider tells no price (it tells none for volumes)."
    if books.elsewhere:
        yield f"Recorded in other projects, and not looked at: {', '.join(map(clean, books.elsewhere))}."
    if books.of(Standing.ADOPTABLE):
        yield "flowplan apply adopts what an interrupted run made; flowplan state rebuild PATH takes in the rest."
    if books.of(Standing.FOREIGN):
        yield "flowplan scan --generate FOLDER writes stacks that import what is foreign."
