"""``flowplan sandbox market``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import click

from flowplan.cli.commands.sandbox.documents import read_document, refuse
from flowplan.cli.commands.sandbox.opening import dollars, home_option, opened, table
from flowplan.cli.options import Seconds, as_json
from flowplan.values.diagnostic import Diagnostic, FlowplanError

_lasting = click.option(
    "--for", "lasts", type=Seconds(), metavar="DURATION", help="How long; for good if left out."
)


@click.group("market", invoke_without_command=True)
@click.pass_context
def market(context: click.Context) -> None:
    """Show or set prices, machines and other bidders. MARKET is machine@region, a machine, a region, or *."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@market.command("show")
@click.option(
    "--history", type=Seconds(), metavar="DURATION", help="With --json: also the prices of so long."
)
@as_json
@home_option
def show(home: str | None = None, as_json: bool = False, history: float | None = None) -> int:
    """List the markets: price, least price, machines free."""
    from flowplan.sandbox.report import standings

    with opened(home) as sandbox:
        rows = standings(sandbox, (history or 0.0) / 3600 if as_json else 0.0)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return 0
    lines = [
        [
            row["name"],
            dollars(row["price_cents"]),
            dollars(row["floor_cents"]),
            f"{row['free']} of {row['capacity']}",
        ]
        for row in rows
    ]
    for line in table(["MARKET", "PRICE>", "LEAST>", "FREE>"], lines):
        click.echo(line)
    return 0


@market.command("set")
@click.argument("name", metavar="MARKET")
@click.option("--price", metavar="PRICE", help="What others pay at least, for an instance and hour.")
@click.option("--capacity", type=click.IntRange(0, 1_000_000), help="How many machines there are.")
@_lasting
@home_option
def set_(name: str, price: str | None, capacity: int | None, lasts: float | None, home: str | None) -> int:
    """Set the price or the machines of a MARKET."""
    from flowplan.sandbox.desk import Desk
    from flowplan.values.quantity import Money

    if price is None and capacity is None:
        raise click.UsageError("Give --price, --capacity or both.")
    try:
        cents = None if price is None else Money.parse(price).cents
    except ValueError as error:
        raise click.UsageError(f"--price: {error}") from None
    if cents is not None and cents < 0:
        raise click.UsageError("--price: a price is not negative.")
    with opened(home) as sandbox:
        found = Desk(sandbox).override(name, cents, capacity, _span(lasts))
    click.echo(f"Set in {_markets(len(found))}.")
    return 0


@market.command("storm")
@click.argument("name", metavar="[MARKET]", default="*")
@click.option(
    "--for", "lasts", type=Seconds(), metavar="DURATION", default="15m", show_default=True, help="How long."
)
@home_option
def storm(name: str, lasts: float, home: str | None) -> int:
    """Preempt every spot machine of a MARKET, or of all."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        found = Desk(sandbox).override(name, capacity=0, lasts=_span(lasts))
    click.echo(f"A storm in {_markets(len(found))}.")
    return 0


@market.command("clear")
@click.argument("name", metavar="[MARKET]", default="*")
@home_option
def clear(name: str, home: str | None) -> int:
    """End what was set in a MARKET, or in all."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        ended = Desk(sandbox).clear_overrides(name)
    click.echo(f"Ended: {ended}.")
    return 0


@market.command("model")
@click.argument("model", type=click.Choice(["calm", "seeded", "recorded"]))
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="What other bidders are drawn from."
)
@click.option(
    "--round", "pace", type=Seconds(), metavar="DURATION", help="How often auctions are held; 0 is at once."
)
@click.option("--prices", metavar="FILE", help="For recorded: a YAML or JSON file of prices.")
@home_option
def model(model: str, seed: int, pace: float | None, prices: str | None, home: str | None) -> int:
    """Say who else bids from now on: nobody (calm), bidders drawn from a seed, or recorded prices."""
    from flowplan.sandbox.desk import Desk
    from flowplan.sandbox.faults.kinds import read_prices

    series: dict[str, Any] = {}
    if (model == "recorded") != (prices is not None):
        raise click.UsageError("--prices belongs to recorded, and recorded needs it.")
    if prices is not None:
        document = read_document(prices)
        series, problems = read_prices(document.root)
        refuse(document, problems)
        if not series:
            raise FlowplanError(Diagnostic.error(f"{prices} holds no prices"))
    with opened(home) as sandbox:
        Desk(sandbox).set_model(model, seed, None if pace is None else int(pace), series)
    click.echo(f"Others bid from now on: {model}.")
    return 0


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _markets(count: int) -> str:
    return f"{count} market{'' if count == 1 else 's'}"
