"""The client's CPU time to apply N resources against terraform's for N of its built-in no-op resources.

    python -m benchmarks.apply_cpu [resources]

flowplan applies a stack of tasks, volumes and reservations (benchmarks.stacks) to a sandbox that another process
serves, with a request, a journal entry and a durable commit for each; terraform makes as many ``terraform_data``,
which ask nobody anything. Whole processes, one after the other, on the same disk. Skipped where there is no terraform.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, cpu_of, verdict
from benchmarks.served import served_project
from benchmarks.stacks import write_stack

LIMIT = 1.0


def terraform_text(resources: int) -> str:
    """As many no-op resources, each with a few attributes."""
    blocks = [
        f'resource "terraform_data" "r{n}" {{\n  input = {{ name = "r{n}", size = {n}, team = "research" }}\n}}\n'
        for n in range(resources)
    ]
    return "".join(blocks)


def main() -> int:
    """Measure, print, and exit 1 where flowplan takes longer."""
    resources = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    terraform = shutil.which("terraform")
    if terraform is None:
        print("skipped: there is no terraform on the path")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served_project(folder) as served:
            write_stack(served.folder, resources)
            ours = cpu_of(
                [PYTHON, "-m", "flowplan", "apply", "--auto-approve"], served.folder, env=served.env
            )
        other = folder / "terraform"
        other.mkdir()
        (other / "main.tf").write_text(terraform_text(resources))
        cpu_of([terraform, "init", "-input=false"], other)
        theirs = cpu_of([terraform, "apply", "-auto-approve", "-input=false"], other)
    print(f"flowplan, {resources} resources over HTTP   {ours:8.2f} s CPU")
    print(f"terraform, {resources} no-op resources      {theirs:8.2f} s CPU")
    return 0 if verdict("flowplan / terraform", ours / theirs, LIMIT) else 1


if __name__ == "__main__":
    sys.exit(main())
