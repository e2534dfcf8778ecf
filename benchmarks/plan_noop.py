"""Planning with nothing to do: CPU time against merely loading the same YAML with positions (PyYAML's C composer).

    python -m benchmarks.plan_noop [resources]

The stack is applied to a sandbox that does not execute, then planned in this process, all in one run.
The whole plan is measured: text to stack, recorded state, one refresh over the API (client and simulator),
planning and rendering.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import yaml

import flowplan.sandbox as sandbox
from benchmarks.measure import calls, verdict
from benchmarks.stacks import write_stack
from flowplan.cli import planning
from flowplan.cli.context import Context, Inputs
from flowplan.cli.main import run
from flowplan.plan.change import Mode, PlanOptions

LIMIT = 3.0


def prepare(folder: Path, resources: int) -> None:
    """A project in ``folder`` whose stack is fully applied."""
    (folder / ".git").mkdir()
    write_stack(folder, resources)
    real = sandbox.open_sandbox
    sandbox.open_sandbox = lambda home, **options: real(home, execute=False)  # type: ignore[assignment]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run(["apply", str(folder), "--auto-approve"])
    if code != 0:
        raise SystemExit(f"the stack could not be applied:\n{said.getvalue()[-2000:]}")


def main() -> int:
    """Measure, print, and exit 1 where the limit is broken."""
    resources = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, resources)
        os.chdir(folder)
        text = Path("stack.yaml").read_text()
        context = Context.make()
        loaded = context.load(".", Inputs())
        backend = context.backend(loaded.project)
        snapshot = backend.snapshot("bench")
        options = PlanOptions(Mode.NORMAL, loaded.region)
        observation = asyncio.run(planning._observe(context, loaded, snapshot, ()))

        def plan(refresh: bool) -> None:
            planned = planning.plan_stack(context, context.load(".", Inputs()), Mode.NORMAL, refresh)
            assert planned.plan.is_empty

        best = calls(
            {
                "compose": lambda: yaml.compose(text, Loader=yaml.CSafeLoader),
                "load": lambda: context.load(".", Inputs()),
                "snapshot": lambda: context.backend(loaded.project).snapshot("bench"),
                "refresh": lambda: asyncio.run(planning._observe(context, loaded, snapshot, ())),
                "planner": lambda: planning.with_observation(loaded, snapshot, observation, (), options),
                "plan --refresh=false": lambda: plan(False),
                "plan": lambda: plan(True),
            },
            7,
        )
        backend.close()
        for stage, used in best.items():
            print(f"{stage:24s} {used * 1000:8.1f} ms")
        os.chdir("/")
        holds = verdict(f"plan of {resources} / compose", best["plan"] / best["compose"], LIMIT)
        holds &= verdict("plan --refresh=false / compose", best["plan --refresh=false"] / best["compose"], LIMIT)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
