"""The wire shapes that are used, as attrs classes, and what reads them (provider.md, section 2).

Unknown fields are ignored, and a null stands wherever the API's description or its habits allow one. What
is asked for by name must be there with the right JSON type: a text is never made out of a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import attrs
from attrs import field

from flowplan.values.classes import frozen

T = TypeVar("T")


@frozen
class LaunchSpecification:
    """What a bid or reservation starts its instances with; the ids are fids."""

    volumes: list[str] = field(factory=list)
    ssh_keys: list[str] = field(factory=list)
    startup_script: str | None = field(default=None, repr=False)


@frozen
class Bid:
    """A spot bid; ``limit_price`` is "$12.34" per instance-hour, ``region`` may be null, ``instances`` are fids."""

    fid: str
    name: str
    status: str
    instance_type: str
    instance_quantity: int
    created_at: str
    project: str | None = None
    created_by: str | None = None
    deactivated_at: str | None = None
    limit_price: str | None = None
    region: str | None = None
    instances: list[str] = field(factory=list)
    launch_specification: LaunchSpecification = field(factory=LaunchSpecification)


@frozen
class Reservation:
    """A reservation; ``total_price`` in dollars, ``unit_price`` in dollars per instance-hour, both "$12.34"."""

    fid: str
    name: str
    status: str
    instance_type: str
    instance_quantity: int
    created_at: str
    start_time: str
    end_time: str
    project: str | None = None
    created_by: str | None = None
    deactivated_at: str | None = None
    region: str | None = None
    total_price: str | None = None
    unit_price: str | None = None
    instances: list[str] = field(factory=list)
    launch_specification: LaunchSpecification = field(factory=LaunchSpecification)


@frozen
class Volume:
    """A volume; ``bids`` and ``reservations`` are the fids that hold it. It has no status."""

    fid: str
    name: str
    region: str
    capacity_gb: int
    interface: str
    created_at: str
    project: str | None = None
    deleted_at: str | None = None
    bids: list[str] = field(factory=list)
    reservations: list[str] = field(factory=list)


@frozen
class InstanceType:
    """A row of the catalogue; the fid differs per region (provider.md 1.3)."""

    fid: str
    name: str
    num_gpus: int | None = None
    gpu_type: str | None = None
    gpu_memory_gb: int | None = None


@frozen
class Auction:
    """The market of one instance type in one region; ``capacity`` counts instances and is a hint only."""

    fid: str
    instance_type: str
    region: str
    capacity: int | None = None
    last_instance_price: str | None = None
    lowest_allocated_price: str | None = None


@frozen
class Project:
    """A project of the account."""

    fid: str
    name: str


class _Misfit(Exception):
    """Fields that cannot be read, by their paths."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self.paths = paths


_ABSENT: Any = object()
_Taker = Callable[[Any], Any]
_FieldReader = tuple[str, frozenset[type], _Taker | None, bool, Any, Callable[[], Any] | None]
"""Of one field: its name, the types that are taken as they are, what takes other values, whether it must be there,
and what stands for it otherwise: a value, or what makes one."""


def _whole(value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    raise TypeError


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if type(value) is list and all(type(item) is str for item in value):
        return value
    raise TypeError


def _launch(value: Any) -> LaunchSpecification:
    if value is None:
        return LaunchSpecification()
    if type(value) is not dict:
        raise TypeError
    return _read(LaunchSpecification, value)


_OWN: Mapping[Any, _Taker] = {list[str]: _texts, LaunchSpecification: _launch}


@cache
def _readers(kind: Any) -> tuple[_FieldReader, ...]:
    """How each field of a class is read, in the order of its constructor."""
    found = []
    for one in attrs.fields(attrs.resolve_types(kind)):
        taker = _OWN.get(one.type)
        arms = (one.type,) if get_origin(one.type) is None else get_args(one.type)
        taken = frozenset() if taker is not None else frozenset(arms)
        if int in taken:
            taker = _whole
        default: Any = one.default
        factory = default.factory if isinstance(default, attrs.Factory) else None  # type: ignore[arg-type]
        required = default is attrs.NOTHING
        found.append((one.name, taken, taker, required, None if factory else default, factory))
    return tuple(found)


def _read(kind: type[T], document: Mapping[str, Any]) -> T:
    values = []
    wrong: list[str] = []
    get = document.get
    for name, taken, taker, required, default, factory in _readers(kind):  # type: ignore[arg-type]
        value = get(name, _ABSENT)
        if type(value) in taken:
            values.append(value)
        elif value is _ABSENT and not required:
            values.append(default if factory is None else factory())
        elif value is _ABSENT or taker is None:
            wrong.append(name)
        else:
            try:
                values.append(taker(value))
            except TypeError:
                wrong.append(name)
            except _Misfit as misfit:
                wrong += [f"{name}.{path}" for path in misfit.paths]
    if wrong:
        raise _Misfit(wrong)
    return kind(*values)


def structure(kind: type[T], document: Any) -> T:
    """``document`` as a ``kind``.

    Raises:
        ValueError: it is not one; the message names the field, and quotes none of its values.
    """
    if type(document) is not dict:
        raise ValueError(f"a {kind.__name__} should be an object")
    try:
        return _read(kind, document)
    except _Misfit as misfit:
        fields = ", ".join(sorted(misfit.paths))
    raise ValueError(f"a {kind.__name__} whose {fields} cannot be read")


def structure_all(kind: type[T], documents: Any) -> list[T]:
    """A list of ``kind``; raises `ValueError` like `structure`, naming the row."""
    if not isinstance(documents, list):
        raise ValueError("expected a list")
    found = []
    for index, document in enumerate(documents):
        try:
            found.append(structure(kind, document))
        except ValueError as error:
            raise ValueError(f"row {index}: {error}") from None
    return found
