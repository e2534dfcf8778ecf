"""Hypothesis strategies that make valid models, for the tests of flowplan and of whoever builds on it.

Needs hypothesis, which is imported when a strategy is asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

import attrs

from flowplan.models.enums import StorageInterface
from flowplan.models.instance_types import instance_type_hook
from flowplan.models.model import Fact, Model, fact_of
from flowplan.models.naming import suffix_disabled
from flowplan.models.retries import Retries
from flowplan.models.scalars import env_hook, scheduled_time_hook
from flowplan.models.table import data_fields
from flowplan.models.task_config import TaskConfig
from flowplan.models.volume import VolumeSpec
from flowplan.values.convert import structure
from flowplan.values.quantity import format_instant

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

M = TypeVar("M", bound=Model)


def models(kind: type[M]) -> SearchStrategy[M]:
    """Valid instances of any documented model."""
    return data(kind).map(lambda mapping: _built(kind, mapping))


def data(kind: type[Model]) -> SearchStrategy[dict[str, Any]]:
    """Mappings that `flowplan.models.structure` accepts for ``kind``; optional fields come and go."""
    from hypothesis import strategies as st

    required: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    for field in data_fields(kind):
        target = required if field.default is attrs.NOTHING else optional
        target[field.name] = _values(field.type, fact_of(field))
    mapping = st.fixed_dictionaries(required, optional=optional)
    if kind is Retries:
        return mapping.map(_retries_in_order)
    if kind is VolumeSpec:
        return mapping.map(_volume_in_order)
    if kind is TaskConfig:
        return st.tuples(mapping, st.sampled_from(["instance_type", "min_gpu_memory_gb"])).map(_task_in_order)
    return mapping


def task_configs() -> SearchStrategy[TaskConfig]:
    """Valid task configurations."""
    return models(TaskConfig)


def volume_specs() -> SearchStrategy[VolumeSpec]:
    """Valid volume specifications."""
    return models(VolumeSpec)


def json_values() -> SearchStrategy[Any]:
    """Any JSON value of modest size."""
    from hypothesis import strategies as st

    scalars = (
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text()
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(), inner, max_size=3),
        max_leaves=6,
    )


def text() -> SearchStrategy[str]:
    """Any text that a file can hold."""
    from hypothesis import strategies as st

    return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def instance_type_names() -> SearchStrategy[str]:
    """Names of instance types in all accepted spellings."""
    from hypothesis import strategies as st

    family = st.sampled_from(["h100", "a100", "H200", "b200", "L40s"])
    count = st.sampled_from([1, 2, 4, 8])
    return st.one_of(
        family,
        st.builds(lambda f, n: f"{n}x{f}", family, count),
        st.builds(lambda f, n: f"{f}:{n}", family, count),
        st.builds(lambda f, n: f"{f}x{n}", family, count),
        st.sampled_from(["h100-80gb.sxm.8x", "A100-80GB.sxm.2x", "it_5ECSoHQjLBzrp5YM"]),
    )


def _values(kind: Any, facts: Fact) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    if facts.hook is instance_type_hook:
        return instance_type_names()
    if facts.hook is env_hook:
        return st.dictionaries(text(), text() | st.integers(), max_size=3)
    if facts.hook is scheduled_time_hook:
        return st.none() | _instants().map(format_instant)
    if facts.pattern:
        values: SearchStrategy[Any] = st.from_regex(facts.pattern, fullmatch=True).filter(
            lambda word: facts.min_length <= len(word) <= (facts.max_length or 60)
        )
        return values | st.none() if type(None) in get_args(kind) else values
    return _of(kind, facts)


def _of(kind: Any, facts: Fact) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    low = facts.minimum if facts.minimum is not None else facts.above
    scalars: dict[Any, Any] = {
        str: text,
        bool: st.booleans,
        Any: json_values,
        datetime: _instants,
        Path: lambda: st.sampled_from([Path("src"), Path("/code"), Path("a b/c")]),
        UUID: st.uuids,
        type(None): st.none,
        int: lambda: st.integers(_whole(low, facts.above is not None), _whole(facts.maximum)),
        float: lambda: st.floats(
            low, facts.maximum, exclude_min=facts.above is not None, allow_nan=False, allow_infinity=False
        ),
    }
    if kind in scalars:
        made: SearchStrategy[Any] = scalars[kind]()
        return made
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from([member.value for member in kind])
    if isinstance(kind, type) and issubclass(kind, Model):
        return data(kind)
    return _compound(kind, facts)


def _compound(kind: Any, facts: Fact) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, UnionType):
        return st.one_of([_of(arm, facts) for arm in inner])
    if origin is dict:
        return st.dictionaries(text(), _of(inner[1], Fact()), max_size=3)
    if origin is tuple:
        return st.tuples(*(_of(one, Fact()) for one in inner))
    items = _of(inner[0], facts.items or Fact())
    return st.lists(items, max_size=3, unique=origin is set)


def _whole(bound: float | None, above: bool = False) -> int | None:
    return None if bound is None else int(bound) + int(above)


def _instants() -> SearchStrategy[datetime]:
    from hypothesis import strategies as st

    return st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))


def _built(kind: type[M], mapping: dict[str, Any]) -> M:
    with suffix_disabled():
        return structure(kind, mapping)


def _retries_in_order(mapping: dict[str, Any]) -> dict[str, Any]:
    longest = mapping.get("max_delay")
    if longest is not None:
        mapping["max_delay"] = max(longest, mapping.get("initial_delay", 1.0))
    return mapping


def _volume_in_order(mapping: dict[str, Any]) -> dict[str, Any]:
    mapping.pop("mount_path", None)
    if mapping.get("volume_id"):
        mapping["volume_id"] = f"vol_{len(mapping['volume_id']):08d}"
        mapping.pop("iops", None)
        mapping.pop("throughput_mb_s", None)
    return mapping


def _task_in_order(drawn: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """Make the fields of a task agree with one another."""
    mapping, selector = drawn
    for name in ("instance_type", "min_gpu_memory_gb"):
        if name != selector:
            mapping.pop(name, None)
    if not mapping.get(selector):
        mapping[selector] = "8xh100" if selector == "instance_type" else 80
    mapping["working_dir"] = "/workspace"
    if str(mapping.get("code_root") or "").startswith("~"):
        mapping["code_root"] = "~"
    for index, volume in enumerate(mapping.get("volumes", [])):
        volume["mount_path"] = f"/volumes/{index}"
        if mapping.get("num_instances", 1) > 1:
            volume["interface"] = StorageInterface.FILE.value
    for index, mount in enumerate(mapping.get("data_mounts", [])):
        mount["target"] = f"/data/{index}"
    longest = mapping.get("max_run_time_hours")
    if longest is not None and longest > 0:
        mapping["max_run_time_hours"] = longest = max(longest, 0.001)
        if mapping.get("min_run_time_hours") is not None:
            mapping["min_run_time_hours"] = min(longest, mapping["min_run_time_hours"])
        if mapping.get("deadline_hours") is not None:
            mapping["deadline_hours"] = max(longest, mapping["deadline_hours"])
    if mapping.get("allocation_mode") == "reserved" and not mapping.get("reservation_id"):
        mapping["reservation_id"] = "res_1"
    return mapping
