"""What every `ports.Backend` keeps. Subclass `BackendContract`, and say how to open the store under a clock.

Two openings of one place are two processes to the store; `when` is its time of day.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from flowplan.ports import Backend, StoreError
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.value import Fingerprint, Sensitive

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = Address.parse("task.a"), Address.parse('volume.b["k"]')
ONE = Record(
    A, "bid_1", "a-1", {"env": {"T": Fingerprint("f00")}, "n": 1}, {"price": 2.5, "x": None}, (B,), True, NOW
)
TWO = Record(B, "vol_1", "b", {"size_gb": 1})


class Time:
    """The store's time of day, in a test's hand."""

    def __init__(self) -> None:
        self.at = NOW
        self.step = 0.0

    def __call__(self) -> datetime:
        self.pass_(self.step)
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def entry(**more: Any) -> Entry:
    settings: dict[str, Any] = {
        "operation": Operation.CREATE,
        "address": A,
        "run": "r1",
        "begun_at": NOW,
        "name": "a-1",
        "region": "here",
        "seen": ("bid_0",),
        "digest": "d",
        "config": {"env": {"T": Fingerprint("f00")}},
        "changes": {"send": {"limit_price": 3.0}},
        "dependencies": (B,),
        "protected": True,
        **more,
    }
    return Entry(**settings)


class BackendContract:
    """The suite."""

    def open(self, place: Path, now: Time) -> Backend:
        raise AssertionError("say how to open the store")

    @pytest.fixture
    def now(self) -> Time:
        return Time()

    @pytest.fixture
    def backend(self, tmp_path: Path, now: Time) -> Iterator[Backend]:
        with closing(self.open(tmp_path, now)) as backend:
            yield backend

    @pytest.fixture
    def other(self, tmp_path: Path, now: Time) -> Iterator[Backend]:
        with closing(self.open(tmp_path, now)) as backend:
            yield backend

    def test_what_was_never_applied_is_empty(self, backend: Backend) -> None:
        assert backend.snapshot("s") == Snapshot("s")
        assert backend.unfinished("s") == [] and backend.stacks() == []

    def test_what_is_recorded_is_read_back(self, backend: Backend, other: Backend) -> None:
        writer = backend.acquire("s", "dir/s.yaml", "apply", 0)
        writer.save([ONE, TWO], outputs={"o": [1, Fingerprint("0a")]}, project="proj_1")
        found = other.snapshot("s")
        assert dict(found.records) == {A: ONE, B: TWO} and list(found.records) == [B, A]
        assert found.outputs == {"o": [1, Fingerprint("0a")]}
        assert (found.project, found.source, found.stack) == ("proj_1", "dir/s.yaml", "s")
        assert found.lineage and len(found.key) >= 32 and other.stacks() == ["s"]
        writer.save([evolve(ONE, id="bid_2")], forget=[B])
        again = other.snapshot("s")
        assert dict(again.records) == {A: evolve(ONE, id="bid_2")}
        assert (again.lineage, again.key, again.outputs) == (found.lineage, found.key, found.outputs)

    def test_an_operation_begins_and_ends_with_its_record(self, backend: Backend, other: Backend) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        number = writer.begin(entry())
        assert other.unfinished("s") == [entry(number=number)] and not other.snapshot("s").records
        second = writer.begin(entry(operation=Operation.DELETE, address=B, id="vol_1"))
        assert second > number and [e.number for e in other.unfinished("s")] == [number, second]
        writer.commit(number, Status.DONE, ONE)
        assert dict(other.snapshot("s").records) == {A: ONE}
        writer.commit(second, Status.FAILED, None)
        assert other.unfinished("s") == []
        third = writer.begin(entry(operation=Operation.DELETE))
        writer.commit(third, Status.DONE, None, A)
        assert not other.snapshot("s").records

    def test_an_operation_ends_once(self, backend: Backend) -> None:
        from flowplan.state.journal import IllegalTransition

        writer = backend.acquire("s", "s", "apply", 0)
        number = writer.begin(entry())
        writer.commit(number, Status.FAILED, None)
        with pytest.raises(IllegalTransition):
            writer.commit(number, Status.DONE, ONE)
        assert not backend.snapshot("s").records

    def test_the_serial_grows_by_one_with_each_recorded_result(self, backend: Backend) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        start = backend.snapshot("s").serial
        number = writer.begin(entry())
        writer.commit(number, Status.DONE, ONE)
        assert backend.snapshot("s").serial == start + 1
        writer.save(outputs={})
        assert backend.snapshot("s").serial == start + 2
        writer.check()
        writer.renew()
        assert backend.snapshot("s").serial == start + 2

    def test_what_was_begun_survives_the_death_of_its_writer(self, tmp_path: Path, now: Time) -> None:
        with closing(self.open(tmp_path, now)) as first:
            number = first.acquire("s", "s", "apply", 0).begin(entry())
        with closing(self.open(tmp_path, now)) as second:
            assert second.unfinished("s") == [entry(number=number)]

    def test_a_lease_keeps_others_out_and_says_who_has_it(self, backend: Backend, other: Backend) -> None:
        import os

        writer = backend.acquire("s", "s", "apply", 0)
        with pytest.raises(StoreError) as caught:
            other.acquire("s", "s", "destroy", 0)
        assert caught.value.exit_code == 7
        said = caught.value.diagnostics[0]
        assert said.summary == "Stack s is locked" and said.suggestion
        for word in (
            "Operation: apply",
            f"process {os.getpid()}",
            f"Token:     {writer.token}",
            "Created:",
            "Who:",
        ):
            assert word in said.detail
        writer.release()
        assert other.acquire("s", "s", "destroy", 0).token > writer.token

    def test_a_lease_can_be_waited_for(self, backend: Backend, other: Backend, now: Time) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        now.step = 20.0
        assert other.acquire("s", "s", "apply", 60).token > writer.token

    def test_who_lost_the_lease_can_write_nothing(self, backend: Backend, other: Backend, now: Time) -> None:
        old = backend.acquire("s", "s", "apply", 0)
        number = old.begin(entry())
        now.pass_(20)
        old.renew()
        now.pass_(20)
        with pytest.raises(StoreError):
            other.acquire("s", "s", "apply", 0)
        now.pass_(20)
        new = other.acquire("s", "s", "apply", 0)
        new.save([TWO])
        before = other.snapshot("s"), other.unfinished("s")
        for attempt in (
            old.check,
            old.renew,
            lambda: old.begin(entry()),
            lambda: old.commit(number, Status.DONE, ONE),
            lambda: old.save([ONE], forget=[B], outputs={"o": 1}, project="p"),
        ):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert caught.value.exit_code == 7 and "lost" in caught.value.diagnostics[0].summary
        old.release()
        new.check()
        assert (other.snapshot("s"), other.unfinished("s")) == before

    def test_a_lease_that_ran_out_and_no_one_took_is_renewed_before_anything_is_sent(
        self, backend: Backend, other: Backend, now: Time
    ) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        assert writer.heartbeat_s > 0
        now.pass_(3600)
        writer.check()
        with pytest.raises(StoreError) as caught:
            other.acquire("s", "s", "apply", 0)
        assert caught.value.exit_code == 7
        writer.save([ONE])

    def test_whoever_asks_is_told_how_far_the_holder_has_got(self, backend: Backend, other: Backend) -> None:
        assert other.lock("s") is None
        writer = backend.acquire("s", "s", "apply", 0)
        writer.progress(2, 5)
        writer.begin(entry())
        lock = other.lock("s")
        assert lock is not None and (lock.done, lock.steps, lock.token) == (2, 5, writer.token)
        with pytest.raises(StoreError) as caught:
            other.acquire("s", "s", "apply", 0)
        assert "2 of 5 steps done" in caught.value.diagnostics[0].detail
        writer.release()
        assert other.lock("s") is None

    def test_an_unlocked_writer_can_write_nothing(self, backend: Backend, other: Backend) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        lock = other.lock("s")
        assert lock is not None and not other.unlock("s", "another") and not other.unlock("t", lock.id)
        writer.check()
        assert other.unlock("s", lock.id) and not other.unlock("s", lock.id)
        for attempt in (writer.check, lambda: writer.save([ONE])):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert caught.value.exit_code == 7
        assert other.acquire("s", "s", "apply", 0).token > writer.token

    def test_every_serial_is_kept(self, backend: Backend, other: Backend, now: Time) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        assert other.history("s") == [] and other.history("never") == []
        seen = {}

        def keep() -> None:
            snapshot = other.snapshot("s")
            seen[snapshot.serial] = snapshot

        writer.save(project="p")
        keep()
        number = writer.begin(entry())
        writer.commit(number, Status.DONE, ONE)
        keep()
        now.pass_(10)
        writer.save([evolve(ONE, name="x"), TWO], outputs={"o": Fingerprint("f")})
        keep()
        writer.save([evolve(ONE, id="bid_2")], forget=[B])
        keep()
        writer.save([TWO])
        keep()
        for serial, snapshot in seen.items():
            assert other.snapshot("s", serial) == snapshot
        history = other.history("s")
        assert [one.number for one in history] == sorted(seen, reverse=True)
        assert [one.resources for one in history] == [2, 1, 2, 1, 0]
        assert {one.operation for one in history} == {"apply"} and history[0].version
        assert {(t.touch.value, t.address) for t in history[2].touched} == {
            ("add", "outputs"), ("change", str(A)), ("add", str(B)),
        }  # fmt: skip
        assert {(t.touch.value, t.address) for t in history[1].touched} == {
            ("change", str(A)),
            ("remove", str(B)),
        }
        assert other.history("s", 2) == history[:2]
        for wrong in (0, max(seen) + 1):
            with pytest.raises(StoreError, match="no serial"):
                other.snapshot("s", wrong)

    def test_several_begin_and_end_in_one_transaction(self, backend: Backend, other: Backend) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        numbers = writer.begin_all([entry(), entry(address=B)])
        assert [e.number for e in other.unfinished("s")] == numbers == sorted(numbers)
        start = other.snapshot("s").serial
        ends = [(numbers[0], Status.DONE, ONE, None), (numbers[1], Status.FAILED, None, None)]
        writer.commit_all(ends)
        assert other.unfinished("s") == [] and dict(other.snapshot("s").records) == {A: ONE}
        assert other.snapshot("s").serial == start + 2 and other.history("s", 1)[0].resources == 1
        from flowplan.state.journal import IllegalTransition

        third = writer.begin(entry(address=B))
        with pytest.raises(IllegalTransition):
            writer.commit_all([(third, Status.DONE, TWO, None), *ends])
        assert [e.number for e in other.unfinished("s")] == [third], "all of them or none"
        assert dict(other.snapshot("s").records) == {A: ONE}

    def test_objects_may_change_places(self, backend: Backend) -> None:
        c = Address.parse("task.c")
        writer = backend.acquire("s", "s", "apply", 0)
        two = evolve(ONE, address=c, id="bid_2")
        writer.save([ONE, two])
        writer.save([evolve(ONE, id="bid_2"), evolve(two, id="bid_1")])
        found = backend.snapshot("s").records
        assert (found[A].id, found[c].id) == ("bid_2", "bid_1")
        with pytest.raises(StoreError):
            writer.save([evolve(ONE, id="bid_1")])
        assert backend.snapshot("s").records == found

    def test_a_state_is_replaced_whole(self, backend: Backend, other: Backend) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([ONE], outputs={"o": 1}, project="p")
        before = other.snapshot("s")
        target = Snapshot("s", "other lineage", 40, {B: TWO}, {"o": 2}, project="q", source="t.yaml")
        writer.replace(target, "state push")
        found = other.snapshot("s")
        assert found == evolve(target, key=before.key)
        assert other.snapshot("s", before.serial) == evolve(before, source="t.yaml")
        assert other.history("s", 1)[0].operation == "state push"
        writer.save([ONE])
        assert other.snapshot("s").serial == 41

    def test_stacks_are_independent(self, backend: Backend, other: Backend) -> None:
        one, two = backend.acquire("s", "s", "apply", 0), other.acquire("t", "t", "apply", 0)
        one.save([ONE])
        number = two.begin(entry())
        two.save([evolve(ONE, name="other")])
        assert backend.stacks() == ["s", "t"] and backend.unfinished("s") == []
        assert (
            backend.snapshot("s").records[A].name == "a-1"
            and backend.snapshot("t").records[A].name == "other"
        )
        assert backend.snapshot("s").lineage != backend.snapshot("t").lineage
        assert backend.snapshot("s").key != backend.snapshot("t").key
        two.commit(number, Status.FAILED, None)
        one.check()

    def test_a_reader_sees_a_whole_state_while_it_is_written(self, backend: Backend, other: Backend) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        seen: list[Snapshot] = []
        writer.save([evolve(ONE, name="0"), evolve(TWO, name="0")], outputs={"o": "0"})
        for number in range(1, 60):
            name = str(number)
            writer.save([evolve(ONE, name=name), evolve(TWO, name=name)], outputs={"o": name})
            seen.append(other.snapshot("s"))
        assert all({r.name for r in s.records.values()} == {s.outputs["o"]} for s in seen)
        assert [s.serial for s in seen] == sorted(s.serial for s in seen)

    def test_no_secret_is_ever_stored(self, backend: Backend, tmp_path: Path) -> None:
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([TWO], outputs={"o": 1})
        before = backend.snapshot("s")
        secret = Sensitive("hush-hush-7")
        for attempt in (
            lambda: writer.save([TWO, evolve(ONE, config={"env": [secret]})]),
            lambda: writer.save([evolve(ONE, attributes={"a": {"b": secret}})]),
            lambda: writer.save(outputs={"o": secret}),
            lambda: writer.begin(entry(config={"x": secret})),
            lambda: writer.begin(entry(changes={"send": secret})),
        ):
            with pytest.raises((StoreError, TypeError)) as caught:
                attempt()
            assert "hush" not in str(caught.value)
        assert backend.snapshot("s") == before and backend.unfinished("s") == []
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or b"hush-hush-7" not in file.read_bytes()

    def test_what_was_done_lately_is_told_with_the_state(self, backend: Backend, now: Time) -> None:
        writer = backend.acquire("s", "s", "apply", 0)

        def done(result: Status = Status.DONE, **more: Any) -> None:
            writer.commit(writer.begin(entry(begun_at=now.at, **more)), result, None)

        done(id="bid_made")
        done(
            operation=Operation.UPDATE, id="bid_set", changes={"send": {"limit_price": 3.0, "volume_ids": []}}
        )
        done(operation=Operation.UPDATE, id="bid_set", changes={"send": {"limit_price": 4.0}})
        done(operation=Operation.DELETE, address=B, id="vol_gone", changes={})
        done(Status.FAILED, operation=Operation.DELETE, id="bid_there", changes={})
        writer.begin(entry(operation=Operation.DELETE, id="bid_open", changes={}))
        assert backend.snapshot("s").lately == {
            (A.kind, "bid_set"): {"limit_price": 4.0, "volume_ids": []},
            (B.kind, "vol_gone"): None,
        }
        now.pass_(120)
        assert backend.snapshot("s").lately == {(B.kind, "vol_gone"): None}, (
            "another hand may have set it since"
        )
        now.pass_(3600)
        assert backend.snapshot("s").lately == {}, "lists have caught up"
