"""``flowplan recover``: settle what interrupted runs began."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flowplan.cli.context import Context
from flowplan.cli.options import Seconds, as_json, stack_name


@click.command("recover")
@click.argument("path", required=False, metavar="[PATH]")
@stack_name
@click.option(
    "--lock-timeout",
    type=Seconds(),
    default=0.0,
    metavar="DURATION",
    help="Wait this long for the stack's lock.",
)
@as_json
def command(path: str | None, stack: str | None, lock_timeout: float, as_json: bool) -> int:
    """Find out what became of operations that began and did not end, and finish them.

    Of the stack at PATH, of the one that --stack names, or of all that are recorded here. What was being created is
    adopted or found not to exist; updates and deletions are finished. Nothing else is changed; apply does the same
    before anything else.
    """
    from flowplan.cli.project import find_project
    from flowplan.cli.recovering import choose, document, exit_code, settle

    if path is not None and stack is not None:
        raise click.UsageError("give a PATH or --stack, not both")
    context = Context.make()
    start = Path.cwd() if path is None else Path(path).resolve()
    project = find_project(start if start.is_dir() else start.parent, context.environ)
    backend = context.backend(project)
    try:
        chosen = choose(project, backend, path, stack)
        open_ones = [one for one in chosen if backend.unfinished(one.stack)]
    finally:
        backend.close()
    found = [settle(context, project, snapshot, lock_timeout, as_json) for snapshot in open_ones]
    if as_json:
        click.echo(json.dumps(document(found), indent=2, ensure_ascii=False))
    elif not found:
        click.echo("Nothing began that did not end.")
    context.warn(one for recovered in found for one in recovered.unknown)
    return exit_code(found)
