"""All documented models and enums by name, in the order of the document."""

from __future__ import annotations

from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

from flowplan import models
from flowplan.models.model import Model


@cache
def _documented() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in models._MODELS:
        found[name] = getattr(models, name)
        if name == "ResourceSpec":
            # Why: two documented models are called MountSpec; the IR's goes by its module's name here.
            found["ir.MountSpec"] = import_module("flowplan.models.ir").MountSpec
    return found


def all_models() -> dict[str, type[Model]]:
    """Each documented model by name; the IR's mount is ``ir.MountSpec``."""
    return {name: kind for name, kind in _documented().items() if issubclass(kind, Model)}


def all_enums() -> dict[str, type[Enum]]:
    """Each documented enum by name."""
    return {name: kind for name, kind in _documented().items() if issubclass(kind, Enum)}
