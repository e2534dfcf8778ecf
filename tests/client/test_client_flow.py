"""Submitting safely, dry runs, pages, the market, volumes and reservations: over a sandbox that runs no commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from client_world import Recording, config
from hypothesis import given
from hypothesis import strategies as st

import flowplan
from flowplan import (
    Flow,
    FlowConfig,
    FlowplanError,
    ListTasksRequest,
    ReservationSpec,
    ReservationStatus,
    SubmitTaskRequest,
    TaskStatus,
    Volume,
    VolumeSpec,
)
from flowplan.client import submitting
from flowplan.client.matching import best_first, score
from flowplan.models import (
    CPUSpec,
    GPUSpec,
    InstanceMatch,
    InstanceType,
    MemorySpec,
    NetworkSpec,
    StorageSpec,
)
from flowplan.sandbox import Sandbox

Over = Callable[..., Flow]


@pytest.fixture
def watched(over: Over) -> tuple[Flow, Recording]:
    made: list[Recording] = []

    def wrap(inner: Any) -> Recording:
        made.append(Recording(inner))
        return made[0]

    return over(wrap), made[0]


# -- submitting


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(watched: tuple[Flow, Recording]) -> None:
    flow, transport = watched
    wanted = config(name="big", num_instances=2, volumes=[{"name": "shelf", "interface": "file"}])
    answer = flow.submit(SubmitTaskRequest(config=wanted, dry_run=True))
    assert (answer.task_id, answer.status) == ("", TaskStatus.PENDING)
    assert answer.message is not None
    assert f"{wanted.name}: 2 instances of 1xa100" in answer.message.replace(" a100", " 1xa100")
    assert "$3.00 an hour" in answer.message and "create shelf" in answer.message
    assert transport.seen and transport.sent == []
    assert flow.volumes() == [] and flow.list_tasks().total == 0
    with pytest.raises(ValueError, match="use submit"):
        flow.run(SubmitTaskRequest(config=wanted, dry_run=True))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"instance_type": "h101"}, "no instance type 'h101'"),
        ({"region": "us-central9-z"}, "no region 'us-central9-z'"),
        ({"instance_type": "b200:8", "region": "us-east1-a"}, "not offered in region 'us-east1-a'"),
        ({"ssh_keys": ["mine"]}, "no SSH key 'mine'"),
        ({"ssh_keys": ["sshkey_none"]}, "no SSH key sshkey_none"),
        ({"volumes": [{"volume_id": "vol_none"}]}, "no volume 'vol_none'"),
        ({"data_mounts": [{"source": "volume://none", "target": "/data"}]}, "no volume 'none'"),
        ({"command": "\n".join(f"echo {n * 7919**3:x}" for n in range(4000))}, "startup script is"),
        ({"instance_type": None, "min_gpu_memory_gb": 640}, "offers 640 GB per GPU"),
        ({"instance_type": "it_unknown", "max_price_per_hour": None}, "no price tier"),
        ({"allocation_mode": "reserved", "reservation_id": "res_1"}, "cannot be placed on a reservation"),
    ],
)
def test_a_dry_run_and_a_real_one_refuse_the_same_before_anything_is_sent(
    watched: tuple[Flow, Recording], more: dict[str, Any], words: str
) -> None:
    flow, transport = watched
    wanted = config(**more)
    for attempt in (
        lambda: flow.submit(SubmitTaskRequest(config=wanted, dry_run=True)),
        lambda: flow.run(wanted),
    ):
        with pytest.raises(FlowplanError) as caught:
            attempt()
        assert words in str(caught.value)
    assert transport.sent == []


def test_everything_wrong_is_said_at_once(over: Over) -> None:
    wanted = config(ssh_keys=["mine"], volumes=[{"volume_id": "vol_none"}], region="us-central2-b")
    with pytest.raises(FlowplanError) as caught:
        over().submit(SubmitTaskRequest(config=wanted, dry_run=True))
    assert len(caught.value.diagnostics) == 3


def test_a_low_limit_is_a_warning(over: Over) -> None:
    answer = over().submit(SubmitTaskRequest(config=config(max_price_per_hour=0.25), dry_run=True))
    assert answer.message is not None and "below the present price of $0.50" in answer.message


def test_the_cheapest_type_with_enough_memory_is_chosen(over: Over) -> None:
    wanted = config(instance_type=None, min_gpu_memory_gb=100, max_price_per_hour=None)
    task = over().run(wanted)
    assert task.instance_type == "1xh200"


def is_creation(request: Any) -> bool:
    return request.method == "POST" and request.url.path == "/v2/spot/bids"


def test_a_lost_answer_never_makes_a_second_bid(watched: tuple[Flow, Recording]) -> None:
    flow, transport = watched
    transport.lose = is_creation
    task = flow.run(config())
    assert transport.sent == [("POST", "/v2/spot/bids")]
    assert [one.task_id for one in flow.list_tasks().tasks] == [task.task_id]


def test_an_object_that_is_listed_late_is_waited_for(watched: tuple[Flow, Recording], idle: Sandbox) -> None:
    flow, transport = watched
    idle.configure(list_lag_s=0.3)
    while True:
        with suppress(FlowplanError):  # until the project's SSH key is listed
            flow.submit(SubmitTaskRequest(config=config(), dry_run=True))
            break
    transport.lose = is_creation
    assert flow.run(config()).name
    assert len(transport.sent) == 1


def test_an_outcome_no_one_can_find_out_is_told_as_such(
    watched: tuple[Flow, Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, transport = watched
    monkeypatch.setattr(submitting, "VISIBILITY_S", 0.2)
    transport.drop = is_creation
    wanted = config(volumes=[{"name": "shelf"}])
    with pytest.raises(FlowplanError) as caught:
        flow.run(wanted)
    assert caught.value.exit_code == 9
    assert wanted.name in str(caught.value) and wanted.name in caught.value.diagnostics[0].suggestion
    assert transport.sent == [("POST", "/v2/volumes"), ("POST", "/v2/spot/bids")]
    assert [one.name for one in flow.volumes()] == ["shelf"], "the task may be there and need it"


def test_volumes_made_for_a_task_that_is_refused_are_deleted_again(over: Over) -> None:
    flow = over()
    with pytest.raises(FlowplanError, match="price"):
        flow.run(config(max_price_per_hour=0.01, volumes=[{"name": "shelf"}]))
    assert flow.volumes() == []


def test_a_name_that_is_not_unique_is_sent_as_it_is(over: Over, idle: Sandbox) -> None:
    idle.configure(unique_bid_names=True)
    flow = over()
    plain = config(name="exact", unique_name=False)
    assert flow.run(plain).name == "exact"
    with pytest.raises(FlowplanError):
        flow.run(plain)


def test_an_outbid_task_is_preempting(over: Over) -> None:
    flow = over()
    first = flow.run(config(num_instances=16, max_price_per_hour=2.0))
    second = flow.run(config(num_instances=16, max_price_per_hour=3.0))
    first.refresh()
    assert first.status is TaskStatus.PREEMPTING and first.provider_metadata["bid_status"] == "Preempting"
    assert (second.status, second.cost_per_hour) == (TaskStatus.PENDING, "$3.00"), (
        "until the first one is gone"
    )


# -- pages


def test_pages_of_thirty_tasks(watched: tuple[Flow, Recording], monkeypatch: pytest.MonkeyPatch) -> None:
    flow, transport = watched
    names = [flow.run(config(name=f"task{n:02}", unique_name=False)).name for n in range(30)]
    for task in flow.list_tasks().tasks[:5]:
        task.stop()
    monkeypatch.setattr("flowplan.provider.mithril.api._LIMIT", "7")
    transport.seen.clear()
    found, offset = [], 0
    while True:
        page = flow.list_tasks(ListTasksRequest(limit=8, offset=offset))
        assert page.total == 30 and len(page.tasks) == min(8, 30 - offset)
        found += [task.name for task in page.tasks]
        offset += len(page.tasks)
        assert page.has_more is (offset < 30)
        if not page.has_more:
            break
    assert found == names[::-1]
    assert transport.seen.count(("GET", "/v2/spot/bids")) == 4 * 5
    cancelled = flow.list_tasks(ListTasksRequest(status=TaskStatus.CANCELLED, limit=2, offset=4))
    assert ([task.name for task in cancelled.tasks], cancelled.total, cancelled.has_more) == (
        ["task25"],
        5,
        False,
    )
    beyond = flow.list_tasks(ListTasksRequest(offset=40))
    assert (beyond.tasks, beyond.total, beyond.has_more) == ([], 30, False)


# -- market


def test_finding_instances(over: Over) -> None:
    flow = over()
    for spelled in ("8xh100", "h100:8", "H100x8"):
        found = flow.find_instances(spelled)
        assert found and {(one.instance.gpu.model, one.instance.gpu_count) for one in found} == {("H100", 8)}
    everything = flow.find_instances()
    assert [one.match_score for one in everything] == sorted(
        (one.match_score for one in everything), reverse=True
    )
    assert everything[0].match_score == 1.0 and everything[0].price_per_hour == 0.5
    large = flow.find_instances(min_gpu_memory_gb=141, region="us-central5-a", max_price_per_hour=4.0)
    assert [(one.instance.gpu.model, one.instance.gpu_count) for one in large] == [
        ("H200", 1),
        ("B200", 1),
        ("B200", 2),
    ]
    assert flow.find_instances("h101") == []
    flow.run(config(instance_type="8xh100", region="us-east1-a", num_instances=16, max_price_per_hour=9.0))
    offers = flow.available_instances()
    assert offers == sorted(offers, key=lambda one: (one.price_per_hour, one.instance_type, one.region))
    assert {one.instance_type for one in offers} >= {"1xa100", "8xh100", "8xb200"}


def match(price: float, memory: int, free: int) -> InstanceMatch:
    kind = InstanceType(
        gpu=GPUSpec(model="X", memory_gb=memory),
        gpu_count=1,
        cpu=CPUSpec(cores=1),
        memory=MemorySpec(size_gb=1),
        storage=StorageSpec(size_gb=1),
        network=NetworkSpec(),
    )
    return InstanceMatch(instance=kind, region="r", availability=free, price_per_hour=price)


matches = st.lists(
    st.builds(match, st.floats(0, 100), st.integers(1, 200), st.integers(0, 3)),
    max_size=6,
)


@given(matches, st.none() | st.integers(1, 200), st.booleans())
def test_scores_order_and_filter(offers: list[InstanceMatch], memory: int | None, only: bool) -> None:
    found = best_first(offers, memory, available_only=only)
    assert all(0 <= one.match_score <= 1 for one in found)
    assert [one.match_score for one in found] == sorted((one.match_score for one in found), reverse=True)
    assert all(
        one.instance.gpu.memory_gb >= (memory or 0) and (one.availability or not only) for one in found
    )
    cheapest = min((one.price_per_hour for one in found), default=0.0)
    assert all(one.match_score == score(one, cheapest, memory) for one in found)


# -- volumes, reservations, account


def test_volumes(over: Over) -> None:
    flow = over()
    made = flow.create_volume(VolumeSpec(name="shelf", size_gb=20))
    (listed,) = flow.volumes()
    assert listed == made and (made.size_gb, made.region) == (20, "us-central1-b")
    nameless = flow.create_volume(VolumeSpec(size_gb=1), region="us-central2-a")
    assert nameless.name and nameless.region == "us-central2-a"
    with pytest.raises(FlowplanError, match="exists already"):
        flow.create_volume(VolumeSpec(name="shelf"))
    with pytest.raises(FlowplanError, match="exists already"):
        flow.create_volume(VolumeSpec(volume_id="vol_1"))
    with pytest.raises(FlowplanError, match="region us-central2-a"):
        flow.run(config(volumes=[{"name": nameless.name}]))
    task = flow.run(config(volumes=[{"name": "shelf"}]))
    with pytest.raises(FlowplanError, match="in use"):
        flow.delete_volume(made)
    task.stop()
    flow.delete_volume(made)
    flow.delete_volume(nameless.volume_id or "")
    flow.delete_volume(made)
    assert flow.volumes() == []
    with pytest.raises(ValueError, match="no id"):
        flow.delete_volume(Volume())


def test_reservations(over: Over) -> None:
    flow = over()
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    spec = ReservationSpec(
        instance_type="8xh100", region="us-central1-b", start_time_utc=start, duration_hours=3
    )
    made = flow.create_reservation(spec)
    assert (made.status, made.quantity, made.instance_type) == (ReservationStatus.SCHEDULED, 1, "8xh100")
    assert made.end_time_utc == start + timedelta(hours=3) and made.price_total_usd == 48.0
    assert flow.reservations() == [made]
    with pytest.raises(FlowplanError, match="names project"):
        flow.create_reservation(ReservationSpec(project_id="proj_x", instance_type="8xh100", region="us-central1-b",
                                                start_time_utc=start, duration_hours=3))  # fmt: skip


def test_the_account(over: Over) -> None:
    flow = over()
    assert (flow.user().username, [one.name for one in flow.projects()]) == ("sandbox", ["sandbox"])
    result = flow.validate()
    assert result.is_valid and result.error_message is None and result.projects == flow.projects()


# -- connecting


def test_a_wrong_key_is_told_by_validate(served_nowhere: str) -> None:
    with flowplan.connect(FlowConfig(api_key="fkey_x", project="p", api_url=served_nowhere)) as flow:
        result = flow.validate()
    assert not result.is_valid and result.error_message is not None and "cannot reach" in result.error_message


@pytest.fixture
def served_nowhere() -> str:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_without_any_key_it_is_the_projects_own_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setenv("HOME", str(tmp_path))
    with flowplan.connect(environ={}) as flow:
        assert flow.validate().is_valid
    assert (tmp_path / "state" / "sandbox" / "sandbox.db").exists()
    assert (tmp_path / "state" / ".gitignore").read_text() == "*\n"


def test_settings_that_are_wrong_are_errors_and_no_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FlowplanError, match="MITHRIL_API_KEY is set but empty"):
        flowplan.connect(environ={"MITHRIL_API_KEY": ""})
    with pytest.raises(FlowplanError, match="MITHRIL_PROJECT_ID"):
        flowplan.connect(environ={"MITHRIL_PROJECT_ID": "x"})
    with pytest.raises(ValueError, match="not both"):
        flowplan.connect(FlowConfig(api_key="k", project="p"), sandbox=tmp_path)
    assert not (tmp_path / "state").exists()


def test_after_it_is_closed_nothing_is_asked(over: Over) -> None:
    flow = over()
    task = flow.run(config())
    flow.close()
    flow.close()
    for ask in (flow.volumes, task.refresh):
        with pytest.raises(FlowplanError, match="closed"):
            ask()


def test_what_is_wrong_with_instances_is_told_and_hides_no_task(over: Over, idle: Sandbox) -> None:
    flow = over()
    task = flow.run(config())

    async def broken(task_id: str) -> Any:
        from flowplan.values.diagnostic import Diagnostic

        raise FlowplanError(Diagnostic.error("the line is down"))

    idle.access.completion = broken  # type: ignore[method-assign]
    task.refresh()
    assert task.status in (TaskStatus.PENDING, TaskStatus.RUNNING)
    assert task.message is not None and "the line is down" in task.message
    assert json.dumps(task.provider_metadata)
