"""The short way to mount a declared volume: ``volume: "{{ volume.data }}"`` in a task's ``volumes``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowplan.lang.scope import Silent
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Kind
from flowplan.values.value import Path, Unknown

if TYPE_CHECKING:
    from flowplan.lang.world import World

_COPIED = ("mount_path", "interface", "name", "size_gb")
"""What an entry takes over from the volume's own declaration unless it says otherwise."""


def translate(entries: Any, world: World, fail: Callable[..., None]) -> Any:
    """A task's evaluated ``volumes`` in the terms of the model: ids, and the mount's own fields.

    ``fail(path, summary, suggestion)`` reports a mistake. What is no list is left for the model to refuse."""
    if type(entries) is not list:
        return entries
    return [_entry(entry, ("volumes", index), world, fail) for index, entry in enumerate(entries)]


def _entry(entry: Any, path: Path, world: World, fail: Callable[..., None]) -> Any:
    if type(entry) is str or type(entry) is Unknown:
        entry = {"volume": entry}
    if type(entry) is not dict or "volume" not in entry:
        return entry
    if "volume_id" in entry:
        fail((*path, "volume_id"), "volume and volume_id say the same thing", "Keep one of them.")
    made = {"volume_id": entry["volume"], **{key: value for key, value in entry.items() if key != "volume"}}
    volume = made["volume_id"]
    named = str(volume).removeprefix("volume.") if type(volume) is str else ""
    if named in world.resources[Kind.VOLUME]:
        fail(
            (*path, "volume"),
            f"{volume!r} is the name of a volume, and an id is needed",
            f'Write "{{{{ volume.{named} }}}}".',
        )
    if type(volume) is Unknown and len(volume.references) == 1:
        reference = volume.references[0]
        known = world.kinds[Kind.VOLUME]
        if reference.address.kind is not Kind.VOLUME and reference.attribute.endswith("_id"):
            what = f"a volume is needed here, not {reference.address}"
            fail((*path, "volume"), what, 'Write "{{ volume.NAME }}".')
        if reference.address.kind is Kind.VOLUME and reference.attribute == known.id_attribute:
            declared = world.find(reference.address)
            if declared is None:
                return made
            try:
                config = declared.instance(reference.address.key, str(reference.address)).config()
            except (Silent, ExpressionError):
                return made | {
                    "mount_path": made.get("mount_path") or Unknown((), ""),
                    "interface": Unknown((), ""),
                }
            for field in _COPIED:
                if made.get(field) is None:
                    made[field] = config.get(field)
    return made
