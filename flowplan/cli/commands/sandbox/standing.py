"""``flowplan sandbox status``, ``reset`` and ``export``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli.commands.sandbox.opening import dollars, folder, home_option, opened, table
from flowplan.cli.options import as_json

if TYPE_CHECKING:
    from datetime import datetime


@click.command("status")
@as_json
@home_option
def status(home: str | None, as_json: bool) -> int:
    """Say what lives in the sandbox, what it has cost and how its markets stand."""
    from flowplan.sandbox import daemon
    from flowplan.sandbox.report import overview, standings
    from flowplan.sandbox.web.view import page_url, view_of

    with opened(home) as sandbox:
        found = overview(sandbox)
        found["markets"] = [row for row in standings(sandbox) if row["bids"]]
        place = sandbox.home
    server = daemon.served(folder(home))
    found["url"] = None if server is None else server.url
    if server is not None:
        # Only the server knows at which address an instance answers over SSH.
        doors = {one["fid"]: one["ssh"] for one in view_of(server.url, place).get("instances", ())}
        for one in found["instances"]:
            one["ssh"] = doors.get(one["fid"])
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return 0
    for what, count in found["counts"].items():
        click.echo(f"{what}: {count}")
    click.echo()
    for line in _lines(found):
        click.echo(line)
    if server is not None:
        click.echo(f"It is served at {server.url}; in a browser: {page_url(server.url, place)}")
    return 0


def _lines(found: dict[str, Any]) -> list[str]:
    stands = ", and stands still" if found["is_frozen"] else ""
    lines = [f"It is {found['now'][:19].replace('T', ' ')} UTC there{stands}. Others bid: {found['model']}."]
    spent, rate = dollars(found["spent_cents"]), dollars(found["rate_cents"])
    lines.append(f"Spent {spent}; now {rate} an hour.")
    if found["bids"]:
        rows = [
            [
                bid["name"],
                bid["status"],
                bid["market"],
                str(bid["quantity"]),
                dollars(bid["limit_cents"]),
                dollars(bid["spent_cents"]),
            ]
            for bid in found["bids"]
        ]
        lines += ["", *table(["BID", "STATUS", "MARKET", "INSTANCES>", "LIMIT>", "SPENT>"], rows)]
    if found["instances"]:
        rows = [[one["name"], one["status"], one["market"], one["ssh"] or ""] for one in found["instances"]]
        lines += ["", *table(["INSTANCE", "STATUS", "MARKET", "SSH"], rows)]
    if found["markets"]:
        rows = [
            [row["name"], dollars(row["price_cents"]), f"{row['free']} of {row['capacity']}"]
            for row in found["markets"]
        ]
        lines += ["", *table(["MARKET", "PRICE>", "FREE>"], rows)]
    return lines


@click.command("reset")
@click.option("--seed", type=click.IntRange(0), help="Draw ids, delays and faults from this from now on.")
@click.option("--at", metavar="TIME", help="Stop its clock at this time, such as 2027-01-01T00:00:00Z.")
@home_option
def reset(seed: int | None, at: str | None, home: str | None) -> int:
    """End every task of the sandbox and forget all it holds."""
    moment = None if at is None else _instant(at)
    with opened(home) as sandbox:
        before = sandbox.status()
        sandbox.reset(seed, moment)
    ended = ", ".join(f"{count} {what}" for what, count in before.items())
    click.echo(f"The sandbox is empty. It held {ended}.")
    return 0


def _instant(text: str) -> datetime:
    from datetime import datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at: {text!r} is no time; write 2027-01-01T00:00:00Z.") from None
    if found.tzinfo is None or not 2000 <= found.year <= 2999:
        raise click.UsageError("--at: write a time with its offset, in the years 2000 to 2999.")
    return found


@click.command("export")
@click.option("--scripts", is_flag=True, help="With the texts of startup scripts, and the secrets in them.")
@home_option
def export(home: str | None, scripts: bool) -> int:
    """Print every object of the sandbox as one JSON document, without API keys and startup scripts."""
    from flowplan.sandbox.report import export as whole

    with opened(home) as sandbox:
        click.echo(json.dumps(whole(sandbox, scripts), indent=2, sort_keys=True))
    return 0
