"""Planning with nothing to do: CPU time against merely loading the same YAML with positions (PyYAML's C composer).

    python -m benchmarks.plan_noop [resources]

The stack is applied to a sandbox that executes nothing. Then each side is measured in fresh processes of its own,
in turn, warmed up (a plan of ten resources makes the code that is generated once): composing the text, and a whole plan (text to stack, recorded state, a refresh over
the API with client and simulator in the same process, planning, rendering).
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import flowplan.sandbox as sandbox
from benchmarks.measure import PYTHON, verdict
from benchmarks.stacks import stack_text, write_stack

LIMIT = 3.0
ROUNDS = 5

_COMPOSE = """
import sys, time, yaml
text = open(sys.argv[1]).read()
start = time.process_time()
yaml.compose(text, Loader=yaml.CSafeLoader)
print(time.process_time() - start)
"""

_PLAN = """
import contextlib, io, sys, time
from flowplan.cli.main import run
import flowplan.cli.commands.plan, flowplan.cli.planning, flowplan.cli.embedded, flowplan.report.plan_text
import flowplan.provider.mithril.provider, flowplan.sandbox, asyncio
import pathlib, tempfile
with tempfile.TemporaryDirectory() as warm, contextlib.redirect_stdout(io.StringIO()):
    pathlib.Path(warm, "w.yaml").write_text(open("warm.yaml").read())
    assert run(["plan", warm]) == 0
arguments = ["plan", "stack", "--detailed-exitcode", *sys.argv[2:]]
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    code = run(arguments)
used = time.process_time() - start
assert code == 0, code
print(used)
"""


def prepare(folder: Path, resources: int) -> None:
    """A project in ``folder`` whose stack is fully applied."""
    from flowplan.cli.main import run

    (folder / ".git").mkdir()
    (folder / "stack").mkdir()
    write_stack(folder / "stack", resources)
    real = sandbox.open_sandbox
    sandbox.open_sandbox = lambda home, **options: real(home, execute=False)  # type: ignore[assignment]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run(["apply", str(folder / "stack"), "--auto-approve"])
    if code != 0:
        raise SystemExit(f"the stack could not be applied:\n{said.getvalue()[-2000:]}")


def _child(script: str, folder: Path, *arguments: str) -> float:
    command = [PYTHON, "-c", script, "stack/stack.yaml", *arguments]
    return float(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure, print, and exit 1 where the limit is broken."""
    resources = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "warm.yaml").write_text(stack_text(10, "warm"))
        begun = time.perf_counter()
        prepare(folder, resources)
        print(f"applied {resources} resources in {time.perf_counter() - begun:.1f} s")
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for what, used in (
                ("compose", _child(_COMPOSE, folder)),
                ("plan --refresh=false", _child(_PLAN, folder, "--refresh=false")),
                ("plan", _child(_PLAN, folder)),
            ):
                best[what] = min(used, best.get(what, used))
        for what, used in best.items():
            print(f"{what:24s} {used * 1000:8.1f} ms")
        holds = verdict(f"plan of {resources} / compose", best["plan"] / best["compose"], LIMIT)
        holds &= verdict(
            "plan --refresh=false / compose", best["plan --refresh=false"] / best["compose"], LIMIT
        )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
