"""Modules, lookups and checks from the command line: folders on disk, the lock, what is asked and what is replayed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from flowplan.cli.main import run

Run = Callable[..., tuple[int, str]]
NET = """\
stack: network
variables: {tok: {default: hunter2hunter2, sensitive: true}}
volumes: {data: {size_gb: 5, interface: file, name: shared-data}}
outputs:
  id: {value: "{{ volume.data.volume_id }}"}
  sizes: {value: {a: 1, b: 2}}
  tok: {value: "{{ var.tok }}", sensitive: true}
"""
USER = """\
stack: user
data:
  net: {stack: network}
  vol: {volume: shared-data}
  same: {volume: {id: "{{ data.net.outputs.id }}", region: us-central1-b, interface: file}}
  price: {price: 8xh100}
  free: {availability: {instance_type: 8xh100}}
  type: {instance_type: 8xh100}
  image: {image_version: sandbox-host}
volumes:
  own:
    for_each: "{{ data.net.outputs.sizes }}"
    size_gb: "{{ each.value }}"
outputs:
  all: {value: ["{{ data.vol }}", "{{ data.same.size_gb }}", "{{ data.price > 0 }}", "{{ data.free.available > 0 }}", "{{ data.type.gpus }}", "{{ data.image.name }}"]}
"""


@pytest.fixture
def flowplan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo")
    for name in ("FLOWPLAN_SANDBOX_URL", "MITHRIL_REGION", "FLOWPLAN_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with redirect_stdout(said), redirect_stderr(said):
            return run(arguments), said.getvalue()

    return call


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def test_lookups_are_carried_out_when_planning_and_never_when_validating(flowplan: Run) -> None:
    write("net/s.yaml", NET)
    write("use/s.yaml", USER)
    code, said = flowplan("plan", "use")
    assert code == 1
    assert "no stack 'network' is recorded" in said
    assert flowplan("apply", "net", "--auto-approve")[0] == 0
    code, said = flowplan("validate", "use")
    assert code == 0
    assert "for_each depends on a lookup that was not carried out" in said
    code, said = flowplan("apply", "use", "--auto-approve")
    assert code == 0, said
    code, said = flowplan("output", "--stack", "user", "--json")
    values = json.loads(said)
    volume, *rest = values["all"]["value"] if "value" in values["all"] else values["all"]
    assert volume.startswith("vol_")
    assert rest == [5, True, True, 8, "sandbox-host"]
    code, said = flowplan("plan", "use", "--detailed-exitcode")
    assert code == 0, said


def test_a_saved_plan_asks_nothing_again(flowplan: Run) -> None:
    write("net/s.yaml", NET)
    write("use/s.yaml", USER)
    assert flowplan("apply", "net", "--auto-approve")[0] == 0
    code, said = flowplan("plan", "use", "--out", "p.json")
    assert code == 0, said
    assert "hunter2" not in Path("p.json").read_text()
    assert flowplan("destroy", "net", "--auto-approve")[0] == 0
    code, said = flowplan("apply", "p.json", "--auto-approve")
    assert code == 0, said
    assert "2 added" in said


def test_what_a_lookup_finds_wrong_is_said_where_it_stands(flowplan: Run) -> None:
    write(
        "s.yaml",
        "stack: s\ndata:\n  a: {volume: nope}\n  b: {ssh_key: nope}\n  c: {image_version: sandbox-hots}\n"
        "  d: {price: 9xh100}\n  e: {availability: {instance_type: 8xh100, region: mars}}\n  f: {task: {id: bid_x}}\n"
        "  g: {reservation: nope}\n",
    )
    code, said = flowplan("plan")
    assert code == 1
    for line, words in enumerate(
        ("no volume", "no ssh key", "no image version", "not offered", "not offered in mars", "no task", "no reservation"), 3
    ):  # fmt: skip
        assert f"s.yaml:{line}:" in said
        assert words in said
    assert "Did you mean 'sandbox-host'?" in said


def test_destroy_needs_no_lookup_to_find_anything(flowplan: Run) -> None:
    write("net/s.yaml", NET)
    write("use/s.yaml", USER)
    assert flowplan("apply", "net", "--auto-approve")[0] == 0
    assert flowplan("apply", "use", "--auto-approve")[0] == 0
    assert flowplan("destroy", "net", "--auto-approve")[0] == 0
    code, said = flowplan("destroy", "use", "--auto-approve")
    assert code == 0, said
    assert "2 destroyed" in said


def test_a_module_on_disk_is_applied_and_its_mistakes_name_its_file(flowplan: Run) -> None:
    write(
        "stack/s.yaml",
        "stack: s\nmodules: {m: {source: ../mod, with: {n: 2}}}\noutputs: {o: {value: '{{ module.m.n }}'}}\n",
    )
    write(
        "mod/m.yaml",
        "variables: {n: {type: int}}\nvolumes: {v: {size_gb: '{{ var.n }}'}}\noutputs: {n: {value: '{{ volume.v.size_gb }}'}}\n",
    )
    code, said = flowplan("apply", "stack", "--auto-approve")
    assert code == 0, said
    assert "module.m.volume.v" in flowplan("state", "list", "--stack", "s")[1]
    code, said = flowplan("plan", "stack", "--out", "p.json")
    assert code == 0
    write("mod/m.yaml", "volumes: {v: {sise_gb: 1}}\n")
    code, said = flowplan("validate", "stack")
    assert code == 1
    assert "mod/m.yaml:1:15" in said
    assert flowplan("apply", "p.json", "--auto-approve")[0] == 8


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("./nope", "is not there"),
        ("./s.yaml", "is a file, not a folder"),
        ("./empty", "holds no .yaml file"),
        ("/etc", "is not the path of a folder"),
        ("https://example.org/x", "is not the path of a folder"),
        ("./mdo", "Did you mean 'mod'?"),
        ("./bad", "is not UTF-8"),
    ],
)
def test_a_source_that_is_no_module_is_refused(flowplan: Run, source: str, words: str) -> None:
    write("s.yaml", f"stack: s\nmodules:\n  m: {{source: {source}}}\n")
    write("mod/m.yaml", "")
    Path("empty").mkdir()
    write("bad/m.yaml", "")
    Path("bad/m.yaml").write_bytes(b"\xff\xfe")
    code, said = flowplan("validate", "s.yaml")
    assert code == 1
    assert words in said


def test_modules_from_outside_are_pinned_by_their_content(flowplan: Run, tmp_path: Path) -> None:
    write("s.yaml", "stack: s\nmodules: {m: {source: ../shared}}\n")
    write("../shared/m.yaml", "modules: {n: {source: ./n}}\nlocals: {x: '{{ file(\"x.txt\") }}'}\n")
    write("../shared/n/n.yaml", "volumes: {v: {size_gb: 1}}\n")
    write("../shared/x.txt", "one")
    code, said = flowplan("validate")
    assert (code, "is not pinned in flowplan.lock.yaml" in said) == (1, True)
    assert flowplan("modules", "lock", "--check")[0] == 3
    code, said = flowplan("modules", "lock")
    assert (code, "Pinned 2 modules" in said) == (0, True)
    lock = Path("flowplan.lock.yaml").read_text()
    assert flowplan("validate")[0] == 0
    code, said = flowplan("modules", "lock")
    assert (code, "nothing to write" in said) == (0, True)
    for path in ("../shared/x.txt", "../shared/n/n.yaml", "../shared/new"):
        before = Path(path).read_text() if Path(path).exists() else None
        write(path, "volumes: {v: {size_gb: 2}}\n")
        code, said = flowplan("validate")
        assert code == 1
        assert "has changed: it is pinned as sha256:" in said
        assert f", and is {'sha256:'}" in said
        if before is None:
            Path(path).unlink()
        else:
            Path(path).write_text(before)
        assert flowplan("validate")[0] == 0
    assert Path("flowplan.lock.yaml").read_text() == lock
    write("s.yaml", "stack: s\n")
    assert flowplan("modules", "lock")[0] == 0
    assert not Path("flowplan.lock.yaml").exists()


def test_a_broken_lock_is_refused(flowplan: Run) -> None:
    write("s.yaml", "stack: s\nmodules: {m: {source: ./m}}\n")
    write("m/m.yaml", "")
    write("flowplan.lock.yaml", "modules: [x]\n")
    code, said = flowplan("validate")
    assert code == 1
    assert "flowplan.lock.yaml" in said


def test_a_check_stops_a_plan_and_an_apply_and_a_warning_does_not(flowplan: Run) -> None:
    write(
        "s.yaml",
        "stack: s\ntasks: {t: {instance_type: a100, max_price_per_hour: 9.5, num_instances: 2, command: sleep 1}}\n"
        "checks:\n  - {assert: '{{ plan.hourly_usd == 19 and plan.summary.create == 0 }}', message: Nothing new., severity: warn}\n",
    )
    code, said = flowplan("plan")
    assert (code, "Warning: a check does not hold: Nothing new" in said) == (0, True)
    write("s.yaml", Path("s.yaml").read_text().replace("severity: warn", "severity: block"))
    code, said = flowplan("apply", "--auto-approve")
    assert (code, "Error: a check does not hold: Nothing new" in said) == (1, True)
    assert "task.t" not in flowplan("state", "list", "--stack", "s")[1]


def test_a_requirement_is_decided_again_before_a_resource_is_made(flowplan: Run) -> None:
    write(
        "s.yaml",
        "stack: s\nvolumes: {v: {size_gb: 1, interface: file}}\n"
        "tasks:\n  t:\n    instance_type: a100\n    command: sleep 1\n"
        "    require: [{assert: \"{{ volume.v.region == 'elsewhere' }}\", message: Wrong place.}]\n",
    )
    code, said = flowplan("apply", "--auto-approve")
    assert code == 1
    assert "task.t does not meet its require: Wrong place" in said
    assert "task.t" not in flowplan("state", "list", "--stack", "s")[1]
