"""What every adapter of `ports.Provider` keeps: run `exercise` against one, with a region that offers something.

The promises are those the applier builds on (apply-protocol.md): what is created is found by its name and
observed with the attributes it was given; an update shows; a deletion done twice is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from flowplan.ports import Done, Handle, Observed, Offer, Provider, Refused
from flowplan.values.address import Kind
from flowplan.values.value import Sensitive

SCRIPT = "#!/bin/sh\necho contract\n"
Settle = Callable[[], Awaitable[None]]
"""Lets the provider's side move on (a clock turned, a pause); called between looks, a bounded number of times."""


async def nothing() -> None:
    """The provider needs no help to move on."""


async def volume_life(provider: Provider, region: str, name: str = "contract-volume") -> None:
    """Create, find, observe, rename and delete a volume."""
    attributes = {"name": name, "region": region, "size_gb": 10, "interface": "file"}
    made = await _created(provider, Kind.VOLUME, attributes, "contract-volume-1")
    _holds(made, attributes)
    await _is_found_and_observed(provider, made, attributes)
    twin = await provider.create(Kind.VOLUME, attributes, "contract-volume-2")
    assert isinstance(twin, Refused) and not twin.transient and twin.diagnostic.suggestion
    renamed = await provider.update(Kind.VOLUME, made.id, {"name": f"{name}-2"}, "contract-volume-3")
    assert isinstance(renamed, Done) and renamed.observed is not None
    assert renamed.observed.id == made.id and renamed.observed.name == f"{name}-2"
    await _is_deleted(provider, Kind.VOLUME, made.id, f"{name}-2", nothing)


async def task_life(
    provider: Provider, offer: Offer, name: str = "contract-task", settle: Settle = nothing
) -> None:
    """Create, find, observe, change, pause, resume and end a task."""
    attributes = {
        "name": name,
        "instance_type": offer.instance_type,
        "region": offer.region,
        "num_instances": 1,
        "limit_price": 100.5,
        "volume_ids": [],
        "ssh_key_ids": [],
        "startup_script": Sensitive(SCRIPT),
    }
    made = await _created(provider, Kind.TASK, attributes, "contract-task-1")
    compared = {
        key: attributes[key] for key in ("name", "instance_type", "region", "num_instances", "limit_price")
    }
    _holds(made, {**compared, "script_digest": hashlib.sha256(SCRIPT.encode()).hexdigest()})
    assert made.attributes["status"] in ("pending", "running") and made.attributes["ssh_key_ids"]
    assert SCRIPT not in repr(made)
    await _is_found_and_observed(provider, made, compared)
    for number, changes in enumerate(({"limit_price": 99.25}, {"paused": True}, {"paused": False})):
        done = await provider.update(Kind.TASK, made.id, changes, f"contract-task-update-{number}")
        assert isinstance(done, Done) and done.observed is not None and done.observed.id == made.id
        assert done.observed.attributes["limit_price"] == 99.25
    refused = await provider.update(Kind.TASK, made.id, {"num_instances": 2}, "contract-task-8")
    assert isinstance(refused, Refused)
    await _is_deleted(provider, Kind.TASK, made.id, name, settle)


async def attached_volume(provider: Provider, offer: Offer, settle: Settle = nothing) -> None:
    """A volume that a task holds is not deleted; once the task has ended, it is."""
    disk = {"name": "contract-held", "region": offer.region, "size_gb": 1, "interface": "file"}
    volume = await _created(provider, Kind.VOLUME, disk, "contract-held-1")
    task = await _created(
        provider,
        Kind.TASK,
        {
            "name": "contract-holder",
            "instance_type": offer.instance_type,
            "region": offer.region,
            "num_instances": 1,
            "limit_price": 100.0,
            "volume_ids": [volume.id],
            "startup_script": Sensitive(SCRIPT),
        },
        "contract-held-2",
    )
    assert task.attributes["volume_ids"] == [volume.id]
    held = await provider.delete(Kind.VOLUME, volume.id, "contract-held-3")
    assert isinstance(held, Refused) and held.transient
    await _is_deleted(provider, Kind.TASK, task.id, "contract-holder", settle)
    await _is_deleted(provider, Kind.VOLUME, volume.id, "contract-held", settle)


async def what_does_not_exist(provider: Provider, offer: Offer) -> None:
    """An id no one knows: changing it is refused as gone; nothing is found; a region no one knows is refused."""
    for kind, id, changes in (
        (Kind.TASK, "bid_0000000000000000", {"limit_price": 1.0}),
        (Kind.VOLUME, "vol_0000000000000000", {"name": "contract-none"}),
    ):
        gone = await provider.update(kind, id, changes, "contract-none-1")
        assert isinstance(gone, Refused) and gone.gone and gone.status == 404
        assert await provider.delete(kind, id, "contract-none-2") == Done(None)
        assert await provider.find(Handle(kind, "contract-none")) == []
    lost = await provider.create(
        Kind.TASK,
        {
            "name": "contract-lost",
            "instance_type": offer.instance_type,
            "region": "nowhere-at-all",
            "num_instances": 1,
            "limit_price": 100.0,
            "startup_script": Sensitive(SCRIPT),
        },
        "contract-none-3",
    )
    assert isinstance(lost, Refused) and lost.diagnostic.summary


async def exercise(provider: Provider, settle: Settle = nothing) -> None:
    """The whole contract, one part after the other."""
    assert await provider.project() == await provider.project() != ""
    observation = await provider.observe((), Kind)
    assert observation.kinds == frozenset(Kind) and observation.offers
    offer = min(
        (offer for offer in observation.offers if offer.gpus),
        key=lambda one: (-(one.available or 0), one.price_cents or 0, one.instance_type),
    )
    await volume_life(provider, offer.region)
    await task_life(provider, offer, settle=settle)
    await attached_volume(provider, offer, settle)
    await what_does_not_exist(provider, offer)


async def _created(provider: Provider, kind: Kind, attributes: Mapping[str, Any], key: str) -> Observed:
    before = {one.id for one in await provider.find(Handle(kind, attributes["name"]))}
    outcome = await provider.create(kind, attributes, key)
    assert isinstance(outcome, Done), outcome
    made = outcome.observed
    assert made is not None and made.exists and made.id and made.id not in before
    assert made.kind is kind and made.name == attributes["name"] and made.created_at is not None
    return made


def _holds(made: Observed, attributes: Mapping[str, Any]) -> None:
    assert {key: made.attributes.get(key) for key in attributes} == dict(attributes)


async def _is_found_and_observed(provider: Provider, made: Observed, attributes: Mapping[str, Any]) -> None:
    found = await provider.find(Handle(made.kind, made.name))
    assert made.id in [one.id for one in found]
    assert found == sorted(found, key=lambda one: one.created_at.timestamp() if one.created_at else 0.0)
    observation = await provider.observe([(made.kind, made.id)], [made.kind])
    assert observation.kinds == {made.kind}
    observed = observation.find(made.kind, made.id)
    assert observed is not None and observed.exists
    _holds(observed, attributes)


async def _is_deleted(provider: Provider, kind: Kind, id: str, name: str, settle: Settle) -> None:
    for _ in range(20):
        outcome = await provider.delete(kind, id, "contract-delete")
        if outcome == Done(None):
            break
        assert isinstance(outcome, Refused) and outcome.transient, outcome
        await settle()
    else:
        raise AssertionError(f"{id} cannot be deleted")
    observation = await provider.observe([(kind, id)], [kind])
    observed = observation.find(kind, id)
    assert observed is None or not observed.exists
    assert all(not one.exists for one in await provider.find(Handle(kind, name)) if one.id == id)
    assert await provider.delete(kind, id, "contract-delete") == Done(None)
