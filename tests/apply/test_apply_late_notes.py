"""Tasks that end themselves at a provider whose lists show the end, and not yet the record that was left before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from fault_world import Knife, World
from plan_builders import stack, task

from flowplan.apply.run import Run
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.provider.mithril.self_ending import read_note

ENDS = "terminate_on_exit: true"
CHAIN = f"tasks: {{first: {task(ENDS)}, second: {task('depends_on: {task.first: completed}')}}}"
RECORD = {"exit_code": 0, "attempt": 1, "started_at": None, "ended_at": None}


def ask(world: World, method: str, path: str, body: Any = None) -> Any:
    """What the instance of a task asks for, as its script does."""
    content = b"" if body is None else json.dumps(body).encode()
    with closing(world.sandbox()) as sandbox:
        headers = {"authorization": f"Bearer {sandbox.api_key}", "content-type": "application/json"}
        where, _, query = path.partition("?")
        status, _, text = sandbox.handle(method, where, query, headers, content)
    assert status < 300, text
    return json.loads(text) if text else None


def end_itself(world: World, bid: str, record: Mapping[str, Any] | None = RECORD) -> None:
    """Leave a record, and end the bid a moment later."""
    if record is not None:
        project = ask(world, "GET", "/v2/projects")[0]["fid"]
        note = {"project": project, "name": f"flow-end-{bid}-node", "content": json.dumps(record)}
        ask(world, "POST", "/v2/lifecycle-scripts", note)
    ask(world, "DELETE", f"/v2/spot/bids/{bid}")


@define(eq=False)
class Unwatched:
    """The instances of a task that is gone before anybody could ask it: only its record tells."""

    world: World
    provider: MithrilProvider
    has_ended: bool = False

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        if not self.has_ended:
            self.has_ended = True
            end_itself(self.world, task_id)
            return None
        return await read_note(self.provider, task_id)


@define(eq=False)
class SelfEnding(World):
    """A world whose first task ends itself when it is first asked about."""

    def cutting(self, provider: MithrilProvider, backend: Any, lease: Any, knife: Knife) -> tuple[Any, Any]:
        return provider, lease

    def _run(self, *given: Any) -> Run:
        run = super()._run(*given)
        assert isinstance(run.provider, MithrilProvider)
        run.access = Unwatched(self, run.provider)  # type: ignore[assignment]
        return run


@pytest.fixture
def world(tmp_path: Path) -> SelfEnding:
    world = SelfEnding(tmp_path / "world", {"list_lag_s": 5.0})
    world.home.mkdir()
    world.sandbox().close()
    world.elapsed += 100.0
    return world


def test_an_end_is_not_taken_for_a_loss_before_its_record_must_be_listed(world: SelfEnding) -> None:
    result = world.apply(stack(CHAIN))
    assert result is not None and result.ok, result
    states = {str(a): r.attributes.get("completion") for a, r in world.snapshot().records.items()}
    assert states["task.first"]["exit_code"] == 0
    assert [one.name.partition("-")[0] for one in world.live()] == ["second"]


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("ends", [True, False])
def test_how_long_a_record_is_waited_for(world: SelfEnding, leaves: bool, ends: bool) -> None:
    desired = stack(f"tasks: {{a: {task(ENDS if ends else '')}}}")
    assert World.apply(world, desired).ok  # type: ignore[union-attr]
    (record,) = world.snapshot().records.values()
    end_itself(world, record.id, RECORD if leaves else None)

    async def look(provider: MithrilProvider) -> Mapping[str, Any] | None:
        return await read_note(provider, record.id)

    began = world.elapsed
    found = world.run(look)
    took = world.elapsed - began
    assert (found is not None) is (leaves and ends)
    # What cannot leave a record is not waited for; else the lag is borne, and no more than the window.
    assert (took < 1.0) if not ends else (4.0 <= took < 7.0) if leaves else (9.0 <= took < 12.0)
    world.elapsed += 30.0
    began = world.elapsed
    assert (world.run(look) is not None) is leaves
    assert world.elapsed - began < 1.0, "of an end that lies back nothing is waited for"
