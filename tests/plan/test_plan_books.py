"""The books of a project: who has what, and stacks that take in what nobody has without changing any of it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from plan_builders import KEY, NOW, PROJECT, REGION, stack

from flowplan.graph import build
from flowplan.lang.format_yaml import dump_yaml
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source
from flowplan.plan.adopting import draft_stacks
from flowplan.plan.books import Ledger, Standing, settle_books
from flowplan.plan.change import Action, PlanOptions
from flowplan.plan.observation import Observation, Observed, Offer
from flowplan.plan.planner import plan
from flowplan.plan.rebuild import find_objects, restored
from flowplan.plan.recognise import looks_of
from flowplan.report.books_text import render_books
from flowplan.report.paint import Paint
from flowplan.resources import Settings
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.quantity import Money, format_instant

REGIONS = ("us-central1-b", "eu-central1-a")
TYPES = ("1xa100", "8xh100", "h100-80gb.sxm.8x", "L40S", "it_abc")
ANY_TEXT = st.text(min_size=1, max_size=20)
ids = st.text("abcdef0123456789", min_size=6, max_size=6)


@st.composite
def objects(draw: st.DrawFn) -> Observed:
    """A live object of any kind, as a provider may show it: its name is whatever somebody called it."""
    kind = draw(st.sampled_from(Kind))
    name = draw(ANY_TEXT | st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}", fullmatch=True))
    region = draw(st.sampled_from(REGIONS))
    lists = st.lists(ids, max_size=3, unique=True)
    if kind is Kind.VOLUME:
        seen = {
            "size_gb": draw(st.integers(1, 15000)),
            "interface": draw(st.sampled_from(["block", "file"])),
            "bids": [],
            "reservations": [],
        }
    elif kind is Kind.TASK:
        quantity = draw(st.integers(1, 4))
        seen = {
            "instance_type": draw(st.sampled_from(TYPES)),
            "num_instances": quantity,
            "limit_price": draw(st.integers(1, 10_000)) / 100,
            "volume_ids": [f"vol_{id}" for id in draw(lists)],
            "ssh_key_ids": [f"sshkey_{id}" for id in draw(lists)],
            "status": draw(st.sampled_from(["running", "pending", "paused", "preempting"])),
            "instances": [f"inst_{i}" for i in range(quantity)],
        }
    else:
        start = NOW + timedelta(hours=draw(st.integers(1, 1000)))
        seen = {
            "instance_type": draw(st.sampled_from(TYPES)),
            "quantity": draw(st.integers(1, 100)),
            "start_time_utc": format_instant(start),
            "end_time_utc": format_instant(start + timedelta(hours=draw(st.integers(3, 336)))),
            "volume_ids": [f"vol_{id}" for id in draw(lists)],
            "ssh_key_ids": [f"sshkey_{id}" for id in draw(lists)],
            "price_total_usd": draw(st.integers(1, 10**6)) / 100,
            "status": "scheduled",
            "instances": [],
        }
    return Observed(
        kind, f"{kind.value}_{draw(ids)}", name, True, {"name": name, "region": region, **seen}, NOW
    )


def record(address: str, id: str) -> Record:
    return Record(Address.parse(address), id, "n", {})


worlds = st.lists(objects(), max_size=12, unique_by=lambda one: (one.kind, one.id))


def observation(found: list[Observed], *offers: Offer) -> Observation:
    return Observation(PROJECT, {(o.kind, o.id): o for o in found}, offers, frozenset(Kind), at=NOW)


@given(worlds)
def test_a_generated_stack_takes_everything_in_and_changes_nothing(world: list[Observed]) -> None:
    drafts, left = draft_stacks(world, {"type": "sandbox"})
    taken = [key for draft in drafts for key in draft.addresses]
    assert sorted(taken, key=str) == sorted(
        {(o.kind, o.id) for o in world} - {(one.observed.kind, one.observed.id) for one in left}, key=str
    )
    for draft in drafts:
        text = dump_yaml(draft.document)
        loaded, problems = load_stack([Source("stack.yaml", text)], [], NoFiles(), "0.1")
        assert loaded is not None, ([(d.summary, d.detail) for d in problems], text)
        made = plan(loaded, Snapshot("s", key=KEY), observation(world), (), PlanOptions(region=draft.region))
        assert not made.has_errors, [(d.summary, d.detail) for d in made.diagnostics]
        assert {change.action for change in made.changes} <= {Action.NO_OP}, made.changes
        assert {change.imported for change in made.changes} == {id for _, id in draft.addresses}


@given(worlds)
def test_what_a_name_cannot_hold_is_said_and_left(world: list[Observed]) -> None:
    _, left = draft_stacks(world, {"type": "sandbox"})
    assert all(one.why for one in left)
    simple = re.compile("[a-z0-9]{3,}")
    names = Counter((o.kind, o.name) for o in world)
    clear = [o for o in world if simple.fullmatch(o.name) and names[o.kind, o.name] == 1]
    assert not [one for one in left if one.observed in clear]


def test_of_two_that_are_called_alike_one_is_left() -> None:
    drafts, left = draft_stacks([running(), running(id="bid_2")], {"type": "sandbox"})
    assert [one.observed.id for one in left] == ["bid_2"] and "bid_1 has the same name" in left[0].why
    assert list(drafts[0].addresses) == [(Kind.TASK, "bid_1")]
    apart, none_left = draft_stacks([running(), running(id="bid_2", region="r2")], {"type": "sandbox"})
    assert len(apart) == 2 and not none_left


@given(worlds, st.data())
def test_every_live_object_stands_in_the_books_once(world: list[Observed], data: st.DataObject) -> None:
    recorded = data.draw(st.lists(st.sampled_from(world), unique_by=id)) if world else []
    snapshot = Snapshot(
        "s",
        records={
            (address := Address(o.kind, f"r{i}")): record(str(address), id=o.id)
            for i, o in enumerate(recorded)
        },
        project=PROJECT,
    )
    books = settle_books(observation(world), [Ledger(snapshot)])
    assert sorted((h.observed.kind.value, h.observed.id) for h in books.holdings) == sorted(
        (o.kind.value, o.id) for o in world
    )
    managed = {(h.observed.kind, h.observed.id) for h in books.of(Standing.MANAGED)}
    assert managed == {(o.kind, o.id) for o in recorded}
    assert not books.missing


def running(name: str = "train-0a1b2c", id: str = "bid_1", **more: object) -> Observed:
    seen = {
        "name": name,
        "region": REGION,
        "instance_type": "8xh100",
        "num_instances": 2,
        "limit_price": 20.0,
        "volume_ids": [],
        "ssh_key_ids": [],
        "status": "running",
        "instances": ["inst_1", "inst_2"],
    }
    return Observed(Kind.TASK, id, name, True, {**seen, **more}, NOW)


OFFER = Offer("8xh100", REGION, "it_h", 4, 1600)


def test_a_running_task_costs_the_going_price_of_its_instances_and_never_more_than_its_limit() -> None:
    [one] = settle_books(observation([running()], OFFER), []).holdings
    assert (one.hourly, one.at_most, one.prepaid) == (Money(3200), Money(4000), False)
    [one] = settle_books(observation([running(limit_price=15.0)], OFFER), []).holdings
    assert one.hourly == Money(3000)
    [one] = settle_books(observation([running(status="paused")], OFFER), []).holdings
    assert (one.hourly, one.at_most) == (Money(0), Money(4000))
    [one] = settle_books(observation([running()]), []).holdings
    assert one.hourly is None


TRAIN = "tasks: {train: {command: x, instance_type: 8xh100, num_instances: 2, max_price_per_hour: 20, upload_code: false}}"


def test_what_an_interrupted_apply_made_is_adoptable_and_so_is_what_bears_a_declared_name() -> None:
    entry = Entry(
        Operation.CREATE, Address.parse("task.train"), "run", NOW, 1, name="train-0a1b2c", region=REGION
    )
    [one] = settle_books(observation([running()]), [Ledger(Snapshot("s"), [entry])]).holdings
    assert (one.standing, one.stack, str(one.address)) == (Standing.ADOPTABLE, "s", "task.train")
    declared = looks_of(stack(TRAIN), Settings(REGION))
    known = [Ledger(Snapshot("s"), (), declared)]
    for observed, standing in (
        (running(), Standing.ADOPTABLE),
        (running("train-0a1b2"), Standing.FOREIGN),
        (running("train-0a1b2c-x"), Standing.FOREIGN),
        (running("train"), Standing.FOREIGN),
        (running(region="elsewhere"), Standing.FOREIGN),
    ):
        [one] = settle_books(observation([observed]), known).holdings
        assert one.standing is standing, observed
    [one] = settle_books(observation([running(num_instances=3)]), known).holdings
    assert "num_instances" in one.note


def test_a_record_without_its_object_is_missing_and_a_stack_elsewhere_is_named() -> None:
    gone = Snapshot("s", records={Address.parse("volume.a"): record("volume.a", id="vol_9")}, project=PROJECT)
    other = Snapshot(
        "t", records={Address.parse("volume.b"): record("volume.b", id="vol_8")}, project="proj_2"
    )
    books = settle_books(observation([]), [Ledger(gone), Ledger(other)])
    assert [(one.stack, str(one.address), one.id) for one in books.missing] == [("s", "volume.a", "vol_9")]
    assert books.elsewhere == ("t",)


def finding(world: Observation, chosen: dict[Address, str] | None = None, **options: object):  # type: ignore[no-untyped-def]
    taken = options.pop("taken", frozenset())
    return find_objects(stack(TRAIN), Snapshot("s", key=KEY), world, taken, Settings(REGION), chosen or {})  # type: ignore[arg-type]


def test_a_lost_record_is_restored_so_that_nothing_is_left_to_plan() -> None:
    world = observation([running()], OFFER)
    found = finding(world)
    assert [str(one.address) for one in found.found] == ["task.train"]
    empty, declared = Snapshot("s", lineage="l", key=KEY), stack(TRAIN)
    records, outputs = restored(declared, empty, build(declared, empty), found, Settings(REGION))
    after = Snapshot("s", "l", 1, {one.address: one for one in records}, outputs, KEY, PROJECT)
    assert plan(declared, after, world, (), PlanOptions(region=REGION)).is_empty


def test_a_choice_is_asked_for_where_names_do_not_tell() -> None:
    train = Address.parse("task.train")
    world = observation([running(), running("train-ffffff", "bid_2")])
    found = finding(world)
    assert found.found == () and [o.id for o in found.several[train]] == ["bid_1", "bid_2"]
    assert [one.observed.id for one in finding(world, {train: "bid_2"}).found] == ["bid_2"]
    assert "no task bid_3" in finding(world, {train: "bid_3"}).wrong[train]


def test_a_task_that_completed_is_restored_and_one_that_was_lost_is_not() -> None:
    ended = Observed(
        Kind.TASK, "bid_1", "train-0a1b2c", False, {"region": REGION, "status": "cancelled"}, NOW
    )
    assert finding(observation([ended])).absent == (Address.parse("task.train"),)
    world = Observation(
        PROJECT, {(Kind.TASK, "bid_1"): ended}, (), frozenset(Kind), {"bid_1": {"exit_code": 0}}, NOW
    )
    [one] = finding(world).found
    assert one.completion == {"exit_code": 0}


def test_what_another_stack_has_on_record_is_not_taken() -> None:
    found = finding(observation([running()]), taken={(Kind.TASK, "bid_1")})
    assert found.absent == (Address.parse("task.train"),)
    assert [o.id for o in found.taken[Address.parse("task.train")]] == ["bid_1"]


def test_a_name_from_outside_drives_no_terminal() -> None:
    books = settle_books(observation([running("x\x1b[2J", region="r\x07")]), [])
    assert "\x1b" not in (text := render_books(books, Paint())) and "\x07" not in text and "\\x1b[2J" in text
