"""``flowplan explain``: why a plan does something to a resource, or does not."""

from __future__ import annotations

import json
from typing import Any

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import as_json, choosing, refresh, stack_path, variables


@click.command("explain")
@click.argument("address", metavar="ADDRESS")
@stack_path
@variables
@refresh
@choosing()
@click.option("--destroy", is_flag=True, help="Explain a plan that removes everything.")
@as_json
def command(
    address: str,
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    destroy: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Tell why a plan of the stack at PATH does what it does to ADDRESS, or why it does nothing.

    The chain of causes ends where someone decided: at a line of a file, a variable's source, an event in the
    provider's history, or an option of the command line.
    """
    from flowplan.cli.planning import plan_stack
    from flowplan.plan.change import Mode, PlanOptions
    from flowplan.plan.document import explanation_document
    from flowplan.plan.explain import explain, leads_to
    from flowplan.report.explain_text import render_explanation
    from flowplan.values.address import Address
    from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean

    try:
        wanted = Address.parse(address)
    except ValueError as error:
        raise FlowplanError(
            Diagnostic.error(
                f"{address!r} is not an address", f"{error}.", suggestion="Write one as in task.train."
            )
        ) from None
    context = Context.make()
    loaded = context.load(path, Inputs(variables, var_files), ask=True, lenient=destroy)
    mode = Mode.DESTROY if destroy else Mode.NORMAL
    planned = plan_stack(context, loaded, mode, refresh, PlanOptions(**asked))
    question = planned.question()
    if planned.plan.has_errors and not planned.plan.changes and not planned.plan.unchanged:
        raise FlowplanError(*planned.plan.diagnostics)  # it did not come to a plan
    found = explain(question, wanted)
    if found is None:
        known = sorted({str(a) for a in (*loaded.stack.resources, *planned.snapshot.records)})
        keyed = [text for text in known if text.startswith(f"{address}[")]
        advice = f"Choose one of {', '.join(keyed[:8])}." if keyed else did_you_mean(address, known)
        raise FlowplanError(
            Diagnostic.error(
                f"{address} is neither in the stack nor in its state",
                suggestion=advice
                or "flowplan plan shows what is done, flowplan state list what is recorded.",
            )
        )
    document = explanation_document(found, leads_to(question, wanted))
    if as_json:
        from flowplan import __version__

        head = {"format_version": "1.0", "flowplan_version": __version__, "stack": loaded.stack.name}
        click.echo(json.dumps({**head, **document}, indent=2, ensure_ascii=False))
    else:
        click.echo(render_explanation(document, context.paint), nl=False)
    return 0
