"""Loading a stack: CPU time against merely composing the same YAML with positions.

The base is the composer of the fastest maintained parser that gives positions, PyYAML over libyaml. For comparison the
same parser's events, made into values with their offsets by flowplan's own builder, are measured too.

    python -m benchmarks.load_stack [resources [more]]

Each side is measured in fresh processes of its own, in turn: composing the text, and loading and evaluating it (text
to a stack of typed resources, every expression evaluated, every field checked). Both are warmed up by a stack of ten
resources, so that what is imported and generated once is in neither. Then the cost of a resource in a stack ten
times as large is compared with its cost here: it must not grow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, verdict
from benchmarks.stacks import stack_text

LIMIT = 2.5
GROWTH = 1.2
ROUNDS = 5
ROUNDS_LARGE = 2

_COMPOSE = """
import sys, time, yaml
warm, text = open(sys.argv[1]).read(), open(sys.argv[2] + "/stack-0.yaml").read()
yaml.compose(warm, Loader=yaml.CSafeLoader)
start = time.process_time()
yaml.compose(text, Loader=yaml.CSafeLoader)
print(time.process_time() - start)
"""

_EVENTS = """
import gc, sys, time
from flowplan.lang.compose import compose
from flowplan.lang.document import Document
warm, text = open(sys.argv[1]).read(), open(sys.argv[2] + "/stack-0.yaml").read()
compose(Document("warm.yaml", warm))
gc.disable()
document = Document("stack-0.yaml", text)
start = time.process_time()
found = compose(document)
print(time.process_time() - start)
assert not found and document.root
"""

_LOAD = """
import pathlib, sys, time
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source
folder = pathlib.Path(sys.argv[2])
sources = [Source(path.name, path.read_text()) for path in sorted(folder.iterdir())]
load_stack([Source("warm.yaml", open(sys.argv[1]).read())], [], NoFiles(), "0.1.0")
start = time.process_time()
stack, found = load_stack(sources, [], NoFiles(), "0.1.0")
used = time.process_time() - start
assert stack is not None, [str(one.span) + one.summary for one in found][:3]
assert len(stack.resources) == int(sys.argv[3])
print(used)
"""


def _child(script: str, *arguments: str) -> float:
    done = subprocess.run([PYTHON, "-c", script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return float(done.stdout)


def _write(folder: Path, resources: int) -> None:
    """The stack in files of 10,000 resources or so: one file may have 16 MB."""
    text = stack_text(resources)
    head, _, tasks = text.partition("tasks:\n")
    entries = tasks.split("\n  train_")
    entries[1:] = [f"  train_{entry}" for entry in entries[1:]]
    folder.mkdir()
    for number, start in enumerate(range(0, len(entries), 7000)):
        body = "\n".join(entries[start : start + 7000]).rstrip("\n")
        top = head if number == 0 else ""
        (folder / f"stack-{number}.yaml").write_text(f"{top}tasks:\n{body}\n", encoding="utf-8")


def main() -> int:
    """Measure, print, and exit 1 where a limit is broken."""
    resources = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    more = int(sys.argv[2]) if len(sys.argv) > 2 else 10 * resources
    with tempfile.TemporaryDirectory() as name:
        paths = {count: Path(name, str(count)) for count in (resources, more)}
        for count, path in paths.items():
            _write(path, count)
        warm = str(Path(name, "warm.yaml"))
        Path(warm).write_text(stack_text(10), encoding="utf-8")
        best: dict[str, float] = {}

        def measure(what: str, script: str, count: int) -> None:
            used = _child(script, warm, str(paths[count]), str(count))
            best[what] = min(used, best.get(what, used))

        for _ in range(ROUNDS):
            measure("compose", _COMPOSE, resources)
            measure("events", _EVENTS, resources)
            measure("load", _LOAD, resources)
        for _ in range(ROUNDS_LARGE):
            measure("load, again", _LOAD, resources)
            measure("load, large", _LOAD, more)
    for what, used in best.items():
        count = more if what == "load, large" else resources
        print(f"{what:12s} {count:7d} resources {used * 1000:9.1f} ms {used / count * 1e6:7.1f} us each")
    small = min(best["load"], best["load, again"])
    print(f"load of {resources} / events and own builder: {best['load'] / best['events']:.2f} (no limit)")
    holds = verdict(f"load of {resources} / compose", best["load"] / best["compose"], LIMIT)
    holds &= verdict(
        f"cost of a resource, {more} / {resources}", best["load, large"] / more / (small / resources), GROWTH
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
