"""``flowplan scan``: everything live in the project, whose it is, and what it costs."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import as_json, variables


@click.command("scan")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@variables
@click.option("--project", metavar="NAME", help="The provider's project, where more than one is known.")
@click.option(
    "--generate",
    "folder",
    metavar="FOLDER",
    help="Write stacks into FOLDER that import what is foreign, and change none of it.",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 where anything is adoptable, foreign or missing."
)
@as_json
def command(
    paths: tuple[str, ...],
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    project: str | None,
    folder: str | None,
    detailed_exitcode: bool,
    as_json: bool,
) -> int:
    """Compare everything live in the project with every known state.

    The stacks at PATH tell which names they give, so that what a lost state had is recognised too.
    """
    from flowplan.cli.scanning import check_folder, scan, write_drafts
    from flowplan.plan.books import Standing
    from flowplan.report.books_text import books_document, render_books

    context = Context.make()
    if folder is not None:
        check_folder(folder)
    books, place = scan(context, paths, Inputs(variables, var_files), project)
    if as_json:
        click.echo(json.dumps(books_document(books), indent=2, ensure_ascii=False))
    else:
        click.echo(render_books(books, context.paint))
    if folder is not None:
        written, left = write_drafts(books, place, folder)
        context.warn(left)
        for path in written:
            click.echo(f"Written: {path}", err=as_json)
        if not written:
            click.echo("Nothing was written: there is nothing foreign to declare.", err=as_json)
        elif not as_json:
            click.echo(f"\nNext:\n    flowplan plan {written[0]}")
    is_whole = all(one.standing is Standing.MANAGED for one in books.holdings) and not books.missing
    return 2 if detailed_exitcode and not is_whole else 0
