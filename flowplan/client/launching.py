"""From a task's configuration to what is sent for it: type and price chosen, volumes found, script rendered.

All problems of a configuration are reported together. Volumes follow spec/models.md 2.4: an id is used as it
is, a name means the volume of that name, and one that there is not is created.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import evolve, field

from flowplan.apply.launching import PLACEHOLDER, key_lasts
from flowplan.apply.uploading import upload_code
from flowplan.client.session import Session
from flowplan.client.submitting import create, delete
from flowplan.launch import Ending, LaunchFacts, Script, ends_itself, needs_code, render
from flowplan.models import unstructure
from flowplan.models.naming import unique_name
from flowplan.models.task_config import TaskConfig
from flowplan.models.volume import Volume
from flowplan.plan.selection import choose
from flowplan.ports import Handle, Observed, RemoteAccess, TaskKeys
from flowplan.resources import Settings, kind_of
from flowplan.resources.price import limit_price
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.convert import Problem
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean
from flowplan.values.quantity import Money
from flowplan.values.value import path_text


@frozen
class Launch:
    """A task that is ready to be sent. ``missing`` are the places among its volumes of those to be created."""

    config: TaskConfig
    body: Mapping[str, Any]
    attributes: Mapping[str, Any]
    missing: tuple[int, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    code: bytes | None = field(default=None, repr=False)

    @property
    def summary(self) -> str:
        """What would be sent, in a sentence."""
        asked = self.attributes
        limit = Money.of_dollars(asked["limit_price"])
        count = int(asked["num_instances"])
        words = (
            f"{asked['name']}: {count} instance{'s' if count > 1 else ''} of {asked['instance_type']} "
            f"in {asked['region']}, for at most {limit} an hour each"
        )
        if self.missing:
            names = ", ".join(str(self.body["volumes"][place]["name"]) for place in self.missing)
            words += f"; it would first create {names}"
        return words + "."


async def prepare(session: Session, config: TaskConfig) -> Launch:
    """All that can be settled by reading.

    Raises:
        FlowplanError: with everything that stands in the way.
    """
    config.check()
    found: list[Diagnostic] = []
    body: dict[str, Any] = unstructure(config)
    region = config.region or session.region
    if config.allocation_mode == "reserved" or config.reservation_id:
        found.append(
            Diagnostic.error(
                "a task cannot be placed on a reservation: the provider's API has no request for it",
                "The instances of a reservation run the startup script that the reservation was made with.",
                suggestion="Use allocation_mode: spot, or create_reservation() with a startup_script.",
            )
        )
    seen = await session.provider.observe((), ())
    chosen = config.instance_type
    if chosen is None:
        chosen, why = choose(body, region, None, seen)
        if chosen is None:
            advice = "Ask for less memory or a higher price, or name an instance_type."
            found.append(Diagnostic.error(why, suggestion=advice))
    price = limit_price(body, chosen)
    if chosen is not None and price is None:
        advice = "Set max_price_per_hour, in dollars per instance and hour."
        found.append(Diagnostic.error(f"there is no price tier for {chosen}", suggestion=advice))
    body["instance_type"], body["min_gpu_memory_gb"] = chosen, None
    volumes = await session.market.volumes() if config.volumes or config.data_mounts else []
    missing, extra = _find_volumes(body, volumes, region, found)
    code, problems = _read_code(session, body)
    found += problems
    if not problems:
        found += _render(session, body, code, PLACEHOLDER)[1]
    said: Sequence[Diagnostic] = ()
    attributes = _attributes(body, region, price, extra)
    if chosen is not None:
        said = await session.market.objections(attributes)
        found += [one for one in said if one.is_error]
    if found:
        raise FlowplanError(*found)
    return Launch(config, body, attributes, missing, tuple(said), code)


async def send(session: Session, launch: Launch) -> Observed:
    """Create what is missing and then the task itself; the name is unique before anything is sent.

    Raises:
        FlowplanError: the provider refused, and volumes made for it are gone again; or (exit code 9) no one
            can tell, and they are kept.
    """
    body = dict(launch.body)
    name, made = str(body["name"]), list[str]()
    if launch.config.unique_name and await session.provider.find(Handle(Kind.TASK, name)):
        name = unique_name(name[:-7])  # the same configuration was submitted before
        launch = evolve(launch, config=evolve(launch.config, name=name))
    body["name"] = name
    entries = [dict(entry) for entry in body["volumes"]]
    try:
        for place in launch.missing:
            targets = kind_of(Kind.VOLUME).targets(entries[place], Settings(str(launch.attributes["region"])))
            volume = await create(session, Kind.VOLUME, targets)
            entries[place]["volume_id"] = volume.id
            made.append(volume.id)
        body["volumes"] = entries
        extra = [v for v in launch.attributes["volume_ids"] if v not in {e["volume_id"] for e in entries}]
        attributes = _attributes(
            body, str(launch.attributes["region"]), launch.attributes["limit_price"], extra
        )
        ending = await _key(session, body)
        script, problems = _render(session, body, launch.code, ending)
        if script is None:
            raise FlowplanError(*problems)
        observed = await create(session, Kind.TASK, {**attributes, "startup_script": script.text})
    except FlowplanError as error:
        if error.exit_code != 9:
            await revoke(session, body, name)
            for volume_id in made:
                await delete(session, Kind.VOLUME, volume_id)
        raise
    session.configs[observed.id] = launch.config
    if script.awaits_code and launch.code is not None:
        session.uploads[observed.id] = asyncio.create_task(
            upload_code(
                session.remote(),
                session.clock,
                observed.id,
                launch.config.num_instances,
                launch.code,
                launch.config.upload_timeout,
                None,
            )
        )
    return observed


async def revoke(session: Session, config: Mapping[str, Any], name: str) -> None:
    """Revoke the key of a task that has ended or was not made. It expires anyway, so a failure is no reason to fail.

    The record that it left stays where it is: nothing else here remembers it.
    """
    if ends_itself(config) and isinstance(session.provider, TaskKeys):
        with suppress(FlowplanError):
            await session.provider.retire_task(name, "")


async def _key(session: Session, body: Mapping[str, Any]) -> Ending | None:
    if not (ends_itself(body) and isinstance(session.provider, TaskKeys)):
        return None
    return await session.provider.make_task_key(str(body["name"]), session.clock.now(), key_lasts(body))


def _attributes(
    body: Mapping[str, Any], region: str, price: float | None, extra: list[str]
) -> dict[str, Any]:
    known = {**body, "volumes": [entry for entry in body["volumes"] if entry.get("volume_id")]}
    attributes = kind_of(Kind.TASK).targets(known, Settings(region))
    attributes["limit_price"] = price
    attributes["volume_ids"] = list(dict.fromkeys([*attributes["volume_ids"], *extra]))
    return attributes


def _read_code(session: Session, body: Mapping[str, Any]) -> tuple[bytes | None, list[Diagnostic]]:
    if not needs_code(body):
        return None, []
    try:
        return session.read_code(Path(body.get("code_root") or ".")), []
    except FlowplanError as error:
        return None, list(error.diagnostics)


def _render(
    session: Session, body: Mapping[str, Any], code: bytes | None, ending: Ending | None
) -> tuple[Script | None, list[Diagnostic]]:
    """The startup script, or why there is none."""
    facts = LaunchFacts(
        name=str(body["name"]),
        code_archive=code,
        can_upload=isinstance(session.access, RemoteAccess),
        ending=ending,
    )
    script, problems = render(body, facts)
    return script, [_said(problem) for problem in problems]


def _said(problem: Problem) -> Diagnostic:
    return Diagnostic.error(f"{path_text(problem.path)}: {problem.message}", suggestion=problem.suggestion)


def _find_volumes(
    body: dict[str, Any], known: list[Volume], region: str, found: list[Diagnostic]
) -> tuple[tuple[int, ...], list[str]]:
    """Fill in the volumes' ids, names and interfaces; the places to create, and the ids that data mounts use."""
    by_id = {volume.volume_id: volume for volume in known}
    by_name = {volume.name: volume for volume in known}
    missing, entries = [], []
    for place, given in enumerate(body["volumes"]):
        entry = dict(given)
        volume = (
            by_id.get(entry.get("volume_id")) if entry.get("volume_id") else by_name.get(entry.get("name"))
        )
        if volume is not None:
            entry["volume_id"], entry["name"] = volume.volume_id, volume.name
            entry["interface"] = volume.interface.value if volume.interface else entry["interface"]
            if volume.region != region and not given.get("volume_id"):
                found.append(
                    Diagnostic.error(
                        f"volume {volume.name} is in region {volume.region}, and the task would run in {region}",
                        "Names of volumes are unique in a project.",
                        suggestion=f"Set region: {volume.region}, or give the volume another name.",
                    )
                )
        elif not entry.get("volume_id"):
            entry["name"] = entry.get("name") or f"flow-volume-{secrets.token_hex(4)}"
            missing.append(place)
        entries.append(entry)
    body["volumes"] = entries
    extra = []
    for mount in body["data_mounts"]:
        if str(mount["source"]).startswith("volume://"):
            name = str(mount["source"]).removeprefix("volume://")
            volume = by_name.get(name) or by_id.get(name)
            if volume is None or volume.volume_id is None:
                advice = did_you_mean(name, [str(one) for one in by_name]) or "create_volume() makes one."
                found.append(Diagnostic.error(f"there is no volume {name!r} to mount", suggestion=advice))
            else:
                extra.append(volume.volume_id)
    return tuple(missing), extra
