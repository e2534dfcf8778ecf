"""Planning beside Terraform, on one stack written twice (`benchmarks.equivalent`): processor time and memory.

    python -m benchmarks.plan_terraform [SIZE ...] [--growth]

Sizes are 100, 1,000 and 10,000 unless given; the last takes about ten minutes, most of them for Terraform and for
making flowplan's world. Each size is planned with nothing to do, all new, and with 1 % changed, by each tool in turn,
in one run; the least of two or three rounds counts. Whole processes are measured, from start to exit, children
included: user and system seconds, and the peak of resident memory.

What is counted: Terraform's resources are its built-in ``terraform_data``, which asks nobody, so it has no refresh to
pay for. flowplan asks a sandbox that a process of its own serves over a socket, and pays for every page of its lists;
what the *server* takes is not counted, as it would not be if the server were Mithril's. The lines "embedded" and
"--refresh=false" tell, without a limit, what a plan takes when the simulator runs in the same process, and when nothing
is asked.

``--growth`` compares the cost of one resource at 100,000 with that at 1,000, without a refresh, against a state that is
written down directly (to apply 100,000 takes half an hour).
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.equivalent import flowplan_text, write_terraform
from benchmarks.measure import PYTHON, Used, process, verdict

MODES = ("nothing to do", "all new", "1 % changed")
LESS = 1.0
"""The most that flowplan may take of Terraform's processor time, at any size and in any mode."""
NOTHING_TO_DO = {1_000: 1 / 20, 10_000: 1 / 50}
"""The same with nothing to do, at these sizes."""
MEMORY = {10_000: 400, 100_000: 1_536}
"""The most MiB at these sizes."""
GROWTH = 1.3
PER_FILE = 20_000
"""Resources in one file of a stack, which may have 16 MB."""


def plain_environ(**more: str) -> dict[str, str]:
    """This environment without what would change what is measured; bytecode is kept, as for any installed program."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "FLOWPLAN_", "MITHRIL_", "TF_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**environ, "CHECKPOINT_DISABLE": "1", "NO_COLOR": "1", **more}


def write_stacks(folder: Path, resources: int) -> None:
    """The stack as it is applied and as it is edited, in folders ``stack`` and ``edited``."""
    (folder / ".git").mkdir(parents=True)
    for name, edited in (("stack", False), ("edited", True)):
        (folder / name).mkdir()
        text = flowplan_text(resources, edited)
        head, _, tasks = text.partition("tasks:\n")
        entries = tasks.split("\n  train_")
        for number, start in enumerate(range(0, len(entries), PER_FILE)):
            body = "\n  train_".join(entries[start : start + PER_FILE]).removesuffix("\n")
            before = f"{head}tasks:\n" if number == 0 else "tasks:\n  train_"
            (folder / name / f"stack-{number}.yaml").write_text(f"{before}{body}\n", encoding="utf-8")


@contextlib.contextmanager
def edited(folder: Path) -> Iterator[None]:
    """The edited stack in the place of the other, whose state it is planned against."""
    swap = [("stack", "aside"), ("edited", "stack"), ("aside", "edited")]
    for now, then in swap:
        (folder / now).rename(folder / then)
    try:
        yield
    finally:
        for now, then in swap:
            (folder / now).rename(folder / then)


def apply(folder: Path) -> None:
    """Apply the stack to an embedded sandbox that executes nothing."""
    import flowplan.sandbox as sandbox
    from flowplan.cli.main import run

    real = sandbox.open_sandbox
    sandbox.open_sandbox = lambda home, **options: real(home, execute=False)  # type: ignore[assignment]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            code = run(
                ["--chdir", str(folder), "apply", "stack", "--auto-approve"]
            )  # as `plan` names it, from there
    finally:
        sandbox.open_sandbox = real
    if code != 0:
        raise SystemExit(f"the stack could not be applied:\n{said.getvalue()[-2000:]}")


def prepare(how: str, *arguments: object) -> None:
    """Call a function of this module in a process of its own, whose memory would else be taken for its children's."""
    code = f"import sys; from pathlib import Path; from benchmarks import plan_terraform as it; it.{how}"
    command = [PYTHON, "-c", f"{code}({', '.join(map(repr, arguments))})".replace("PosixPath(", "Path(")]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(1)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Mapping[str, str]]:
    """The sandbox of a folder, served by a process of its own: what the environment says to reach it."""
    command = [PYTHON, "-m", "flowplan", "sandbox", "serve", "--port", "0", "--no-exec"]
    server = subprocess.Popen(command, cwd=folder, env=plain_environ(), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
        key = (folder / "state" / "sandbox" / "api-key").read_text().strip()
        yield {"FLOWPLAN_SANDBOX_URL": url, "MITHRIL_API_KEY": key}
    finally:
        server.terminate()
        server.wait()


def plan(folder: Path, mode: str, *options: str, **environ: str) -> Used:
    """One plan by flowplan, as a process."""
    command = [PYTHON, "-m", "flowplan", "plan", "stack", *options]
    with edited(folder) if mode == MODES[2] else contextlib.nullcontext():
        return process(command, folder, plain_environ(**environ))


def record_directly(folder: Path) -> None:
    """Write the state that an apply of the stack leaves, with ids made up."""
    from attrs import evolve

    from flowplan.backend.sqlite import SqliteBackend
    from flowplan.lang.loader import load_stack
    from flowplan.lang.reader import NoFiles
    from flowplan.lang.stack import Source
    from flowplan.resources import Settings, kind_of
    from flowplan.state.snapshot import Record
    from flowplan.values.address import Address
    from flowplan.values.value import Reference, resolve, seal

    sources = [Source(path.name, path.read_text()) for path in sorted((folder / "stack").iterdir())]
    stack, found = load_stack(sources, [], NoFiles(), "0.1.0")
    if stack is None:
        raise SystemExit([one.summary for one in found][:3])
    ids: dict[Address, str] = {
        address: f"{address.kind.value}_{number:012d}" for number, address in enumerate(stack.resources)
    }

    def lookup(reference: Reference) -> Any:
        return ids[reference.address]

    backend = SqliteBackend(folder / "state")
    (folder / "state").mkdir()
    writer = backend.acquire(stack.name, "stack", "benchmark", 0)
    snapshot = backend.snapshot(stack.name)
    records = {}
    for address, resource in stack.resources.items():
        config = resolve(resource.config, lookup)
        kind = kind_of(address.kind)
        attributes = {**kind.targets(config, Settings("us-central1-b")), kind.id_attribute: ids[address]}
        needs = tuple(sorted({reference.address for reference in resource.references}))
        records[address] = Record(
            address, ids[address], config["name"], seal(config, snapshot.key), attributes, needs
        )
    after = evolve(snapshot, records=records, project="proj_benchmark", serial=snapshot.serial + 1)
    writer.replace(after, "benchmark")
    writer.release()
    backend.close()


def compare(folder: Path, resources: int, terraform: str | None) -> bool:
    """Measure one size; whether all limits hold."""
    print(f"\n{resources:,} resources", flush=True)
    project = folder / f"flowplan-{resources}"
    write_stacks(project, resources)
    prepare("apply", project)
    fresh = folder / f"fresh-{resources}"
    write_stacks(fresh, resources)
    rounds = 2 if resources >= 10_000 else 4
    ours: dict[str, Used] = {}
    theirs: dict[str, Used] = {}
    folders = {mode: folder / f"terraform-{resources}-{number}" for number, mode in enumerate(MODES)}
    if terraform:
        write_terraform(folders[MODES[0]], resources, applied=True)
        write_terraform(folders[MODES[1]], resources)
        write_terraform(folders[MODES[2]], resources, edited=True, applied=True)
    with served(project) as there, served(fresh) as empty:
        ways: dict[str, tuple[Path, Sequence[str], Mapping[str, str]]] = {
            MODES[0]: (project, (), there),
            MODES[1]: (fresh, (), empty),
            MODES[2]: (project, (), there),
            f"{MODES[0]}, --refresh=false": (project, ("--refresh=false",), there),
        }
        plan(project, MODES[0], **there)  # so that bytecode is there
        for number in range(rounds):
            for mode, (where, options, settings) in ways.items():
                ours[mode] = plan(where, mode, *options, **settings).least(ours.get(mode))
            for mode in MODES if terraform and (number == 0 or resources < 10_000) else ():
                command = [terraform or "", "plan", "-input=false", "-no-color"]
                theirs[mode] = process(command, folders[mode], plain_environ()).least(theirs.get(mode))
    for _ in range(rounds):
        mode = f"{MODES[0]}, embedded"
        ours[mode] = plan(project, mode).least(ours.get(mode))
    for name, table in (("terraform", theirs), ("flowplan", ours)):
        for mode, used in table.items():
            print(f"{name:10s} {mode:32s} {used.cpu_s:8.3f} s  {used.rss_mib:6.0f} MiB", flush=True)
    holds = True
    for mode, used in theirs.items():
        limit = NOTHING_TO_DO.get(resources, LESS) if mode == MODES[0] else LESS
        holds &= verdict(
            f"{resources:,} {mode}: flowplan / terraform", ours[mode].cpu_s / used.cpu_s, limit, 4
        )
    if resources in MEMORY:
        peak = max(ours[mode].rss_mib for mode in MODES)
        holds &= verdict(f"{resources:,}: peak MiB", peak, MEMORY[resources])
    shutil.rmtree(project)
    return holds


def growth(folder: Path) -> bool:
    """The cost of a resource at 100,000 against that at 1,000."""
    each: dict[int, float] = {}
    peak = 0.0
    for resources, rounds in ((1_000, 5), (100_000, 1)):
        project = folder / f"growth-{resources}"
        write_stacks(project, resources)
        prepare("record_directly", project)
        used: dict[str, Used] = {}
        for _ in range(rounds):
            for mode in (MODES[0], MODES[2]):
                used[mode] = plan(project, mode, "--refresh=false").least(used.get(mode))
        for mode, one in used.items():
            print(f"{resources:7,d} {mode:16s} {one.cpu_s:8.3f} s  {one.rss_mib:6.0f} MiB", flush=True)
        each[resources] = used[MODES[0]].cpu_s / resources
        peak = max(one.rss_mib for one in used.values())
    holds = verdict("cost of a resource, 100,000 / 1,000", each[100_000] / each[1_000], GROWTH)
    return holds & verdict("100,000: peak MiB", peak, MEMORY[100_000])


def main() -> int:
    """Measure, print, and exit 1 where a limit is broken."""
    os.environ.pop("FLOWPLAN_SANDBOX_URL", None)
    sizes = [int(word.replace(",", "")) for word in sys.argv[1:] if not word.startswith("-")]
    terraform = shutil.which("terraform")
    if terraform is None:
        print("no terraform is found on the PATH; only flowplan is measured")
    holds = True
    with tempfile.TemporaryDirectory() as name:
        if "--growth" in sys.argv:
            holds &= growth(Path(name))
        for resources in sizes or (() if "--growth" in sys.argv else (100, 1_000, 10_000)):
            holds &= compare(Path(name), resources, terraform)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
