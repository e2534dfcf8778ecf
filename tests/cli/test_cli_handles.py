"""Addresses to recorded tasks: what each form covers, over any set of addresses."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from attrs import define
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowplan.backend.sqlite import SqliteBackend
from flowplan.cli.context import Context
from flowplan.cli.handles import find_targets, only_one
from flowplan.report.paint import Paint
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.quantity import parse_instant

NAMES = st.sampled_from(["a", "ab", "train", "x-1"])
KEYS = st.none() | st.text(string.ascii_letters + string.digits + " .*-_/é", min_size=1, max_size=5)
PARTS = st.builds(
    lambda n, k: n if k is None else f'{n}["{k}"]', NAMES, st.none() | st.sampled_from(["p", "q"])
)
ADDRESSES = st.builds(
    lambda kind, name, key, module: Address(kind, name, key, tuple(module)),
    st.sampled_from([Kind.TASK, Kind.TASK, Kind.TASK, Kind.VOLUME]),
    NAMES,
    KEYS,
    st.lists(PARTS, max_size=2),
)


@define
class Stacks:
    """Recorded stacks in a folder of their own."""

    root: Path

    def record(self, name: str, addresses: list[Address], source: str = "stack.yaml") -> None:
        backend = SqliteBackend(self.root / "state")
        writer = backend.acquire(name, source, "apply", 0.0)
        writer.save(Record(a, f"id_{n}", str(a), {}) for n, a in enumerate(addresses))
        writer.release()
        backend.close()

    def find(self, *patterns: str, stack: str | None = None, everywhere: bool = False) -> list[Address]:
        context = Context({}, Paint(), Paint())
        return [target.address for target in find_targets(context, patterns, stack, everywhere).targets]


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return Stacks(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(addresses=st.lists(ADDRESSES, unique=True, min_size=1, max_size=12))
def test_what_each_form_covers(stacks: Stacks, addresses: list[Address]) -> None:
    for path in (stacks.root / "state").glob("*"):
        path.unlink()
    stacks.record("one", addresses)
    tasks = sorted((a for a in addresses if a.kind is Kind.TASK), key=lambda a: a.sort_key)
    if not tasks:
        with pytest.raises(FlowplanError, match="is not in the state"):
            stacks.find("task.a")
        return
    assert stacks.find("*") == tasks == stacks.find(stack="one") == stacks.find(everywhere=True)
    for one in tasks:
        # Its own address covers it, and with it only what the same declaration makes.
        found = stacks.find(str(one))
        assert one in found
        if one.key is not None:
            assert found == [one]
        same = [a for a in tasks if a.resource == one.resource]
        assert set(same) <= set(stacks.find(str(one.resource)))
        assert all(
            a.name == one.name and len(a.module) == len(one.module) for a in stacks.find(str(one.resource))
        )
        if one.module:
            prefix = "".join(f"module.{part}." for part in one.module)[:-1]
            assert one in stacks.find(prefix)
            whole = f"module.{one.module[0].partition('[')[0]}"
            assert set(stacks.find(whole)) == {
                a
                for a in tasks
                if a.module and a.module[0].partition("[")[0] == one.module[0].partition("[")[0]
            }


def test_quotes_that_the_shell_took(stacks: Stacks) -> None:
    base, large = Address(Kind.TASK, "train", "base"), Address(Kind.TASK, "train", "large")
    stacks.record("one", [base, large])
    assert stacks.find("task.train[base]") == stacks.find("task.train['base']") == [base]
    assert stacks.find("task.train[b*]") == stacks.find('task.train["b???"]') == [base]
    assert stacks.find("task.train") == [base, large] == stacks.find("task.train[base]", "task.*")
    with pytest.raises(FlowplanError) as error:
        stacks.find("task.train[bas]")
    assert 'task.train["base"], task.train["large"]' in error.value.diagnostics[0].suggestion


def test_one_stack_or_several(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, own = Address(Kind.TASK, "shared"), Address(Kind.TASK, "own")
    stacks.record("a", [shared, own], "a/stack.yaml")
    stacks.record("b", [shared], "b/stack.yaml")
    assert stacks.find("task.own") == [own]
    assert len(stacks.find("task.shared", everywhere=True)) == 2
    for patterns in (["task.shared"], []):
        with pytest.raises(FlowplanError, match=r"(?i)more than one stack"):
            stacks.find(*patterns)
    assert stacks.find("task.shared", stack="b") == [shared]
    (stacks.root / "b").mkdir()
    monkeypatch.chdir(stacks.root / "b")
    assert stacks.find("task.shared") == [shared]
    with pytest.raises(FlowplanError, match="works on one task, and 3"):
        only_one(find_targets(Context({}, Paint(), Paint()), [], None, everywhere=True), "it")


def test_an_interrupted_creation_is_a_target(stacks: Stacks) -> None:
    stacks.record("one", [])
    backend = SqliteBackend(stacks.root / "state")
    writer = backend.acquire("one", "stack.yaml", "apply", 0.0)
    at = parse_instant("2026-01-01T00:00:00Z")
    for kind in (Kind.TASK, Kind.VOLUME):
        writer.begin(Entry(Operation.CREATE, Address(kind, "half"), run="r", begun_at=at, name="half-1"))
    writer.release()
    backend.close()
    (target,) = find_targets(Context({}, Paint(), Paint()), ["task.half"], None).targets
    assert target.record is None and target.entry is not None and target.entry.name == "half-1"
