"""Between a task's configuration and its request: the startup script, the code beside it, the key to end itself with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import evolve

from flowplan.apply.run import Run
from flowplan.launch import Ending, LaunchFacts, Script, ends_itself, needs_code, render
from flowplan.plan.change import Step
from flowplan.ports import EventKind, RemoteAccess, TaskKeys
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.convert import Problem
from flowplan.values.diagnostic import Diagnostic, FlowplanError, Severity
from flowplan.values.value import Sensitive

_WAITS_AT_MOST = timedelta(days=90)
"""How long a task may wait for capacity, and run where it has no limit, with a key that still ends it."""
PLACEHOLDER = Ending("", "", Sensitive("fkey_" + 32 * "0"), "apikey_" + 16 * "0")
"""As long as a real one, to see beforehand whether the script fits."""


@frozen
class Launch:
    """A task that can be sent: its configuration, the facts of this launch, its script and its code."""

    config: Mapping[str, Any]
    facts: LaunchFacts
    script: Script


def prepare(run: Run, config: Mapping[str, Any], name: str) -> tuple[Launch | None, list[Problem]]:
    """What is needed to send a task, or why it cannot be; nothing is asked of the provider."""
    code = None
    if needs_code(config):
        root = config.get("code_root")
        code = run.read_code(root if isinstance(root, str) else None)
    facts = LaunchFacts(
        name=name,
        code_archive=code,
        mark=f"{run.id}-{run.new_suffix()}",
        can_upload=isinstance(run.access, RemoteAccess),
        ending=PLACEHOLDER if ends_itself(config) and isinstance(run.provider, TaskKeys) else None,
    )
    script, problems = render(config, facts)
    return (None, problems) if script is None else (Launch(config, facts, script), [])


async def with_key(run: Run, launch: Launch) -> str | Sensitive:
    """The script of a task that ends itself, with a key made for it now; called once its intent is on record.

    Raises:
        FlowplanError: no key can be made.
    """
    ending = None
    if isinstance(run.provider, TaskKeys):
        ending = await run.provider.make_task_key(
            launch.facts.name, run.clock.now(), key_lasts(launch.config)
        )
    script, problems = render(launch.config, evolve(launch.facts, ending=ending))
    if script is None:
        raise FlowplanError(*(Diagnostic.error(problem.message) for problem in problems))
    return script.text


def key_lasts(config: Mapping[str, Any]) -> timedelta:
    """How long the key of a task that ends itself has to be good."""
    return _WAITS_AT_MOST + timedelta(hours=float(config.get("max_run_time_hours") or 0))


def begin_upload(run: Run, address: Address, id: str, launch: Launch) -> None:
    """Copy the code of a task that was made, where its script awaits it."""
    access = run.access
    if (
        launch.script.awaits_code
        and launch.facts.code_archive is not None
        and isinstance(access, RemoteAccess)
    ):
        run.uploads.begin(address, access, run.clock, id, launch.config, launch.facts.code_archive)


async def retire(run: Run, config: Mapping[str, Any], name: str, id: str) -> None:
    """Revoke the key of a task that was ended or not made. It expires anyway, so a failure is only told."""
    if not (ends_itself(config) and isinstance(run.provider, TaskKeys)):
        return
    try:
        await run.provider.retire_task(name, id)
    except FlowplanError as error:
        said = evolve(error.diagnostics[0], severity=Severity.WARNING)
        run.emit(EventKind.NOTICE, diagnostic=said)


async def retire_forgotten(run: Run, step: Step) -> None:
    """The same for a task that has ended by itself, and is now dropped from the state."""
    record = None if step.deposed else run.records.get(step.address)
    if record is not None and record.kind is Kind.TASK and record.attributes.get("completion"):
        await retire(run, record.config, record.name, record.id)
