"""``flowplan schema``: the JSON Schemas, for editors and for programs that read what ``--json`` prints."""

from __future__ import annotations

import json
from importlib import import_module

import click

SCHEMAS = {
    "stack": ("flowplan.lang.schema", "stack_schema"),
    "plan": ("flowplan.plan.schema", "plan_schema"),
    "explain": ("flowplan.plan.schema", "explain_schema"),
    "validate": ("flowplan.plan.schema", "validate_schema"),
    "tasks": ("flowplan.report.task_schema", "tasks_schema"),
    "models": ("flowplan.models.schema", "models_schema"),
}
"""Name -> (module, function); those that stand in ``schemas/``."""


@click.command("schema")
@click.argument("name", default="stack", metavar="[NAME]", type=click.Choice(list(SCHEMAS)))
def command(name: str) -> int:
    """Print the JSON Schema (2020-12) of stack files; or of NAME: plan, validate, tasks and the like (what --json prints), or models."""
    module, function = SCHEMAS[name]
    click.echo(json.dumps(getattr(import_module(module), function)(), indent=2, ensure_ascii=False))
    return 0
