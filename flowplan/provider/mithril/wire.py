"""The wire shapes that are used, as attrs classes, and the one converter that reads them (provider.md, section 2).

Unknown fields are ignored, and a null stands wherever the API's description or its habits allow one. What
is asked for by name must be there with the right JSON type: a text is never made out of a number.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

if TYPE_CHECKING:
    from cattrs import Converter

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
class Instance:
    """One machine of a bid or reservation; ``ssh_destination`` is "host" or "host:port", null until it runs."""

    fid: str
    name: str
    status: str
    instance_type: str
    created_at: str
    region: str | None = None
    bid: str | None = None
    reservation: str | None = None
    ssh_destination: str | None = None
    private_ip: str | None = None


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


@frozen
class Me:
    """Whose key it is."""

    fid: str
    email: str | None = None


@frozen
class SshKey:
    """A public key known to the project; a ``required`` one must be in every launch."""

    fid: str
    name: str
    required: bool | None = None
    public_key: str = ""


@frozen
class ReservationOffer:
    """A quote; prices as "$12.34", the total in dollars, the unit price per instance-hour."""

    key: str
    unit_price: str
    total_price: str


def _strict(kind: type[T], words: str) -> Any:
    def take(value: Any, _: Any) -> T:
        if type(value) is kind:
            return value
        raise TypeError(f"expected {words}, not {'null' if value is None else type(value).__name__}")

    return take


def _whole(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise TypeError(f"expected a whole number, not {'null' if value is None else type(value).__name__}")


def _texts(value: Any, _: Any) -> list[str]:
    if value is None:
        return []
    if type(value) is list and all(type(item) is str for item in value):
        return value
    raise TypeError("expected a list of texts")


@cache
def _converter(careful: bool) -> Converter:
    """``careful`` gathers where a document went wrong, which costs time that right ones need not pay."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn

    converter = Converter(detailed_validation=careful, forbid_extra_keys=False)
    converter.register_structure_hook(str, _strict(str, "a text"))
    converter.register_structure_hook(bool, _strict(bool, "true or false"))
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook_func(lambda kind: kind == list[str], _texts)
    launch = make_dict_structure_fn(LaunchSpecification, converter, _cattrs_detailed_validation=careful)
    converter.register_structure_hook(
        LaunchSpecification, lambda value, kind: launch({} if value is None else value, kind)
    )
    return converter


def structure(kind: type[T], document: Any) -> T:
    """``document`` as a ``kind``.

    Raises:
        ValueError: it is not one; the message names the field, and quotes none of its values.
    """
    if not isinstance(document, dict):
        raise ValueError(f"a {kind.__name__} should be an object")
    try:
        return _converter(False).structure(document, kind)
    except (TypeError, ValueError, KeyError, AttributeError):
        pass
    raise ValueError(_what_is_wrong(kind, document))


def structure_all(kind: type[T], documents: Any) -> list[T]:
    """A list of ``kind``; raises `ValueError` like `structure`, naming the row."""
    if not isinstance(documents, list):
        raise ValueError("expected a list")
    converter = _converter(False)
    try:
        return [converter.structure(document, kind) for document in documents]
    except (TypeError, ValueError, KeyError, AttributeError):
        pass
    for index, document in enumerate(documents):
        try:
            structure(kind, document)
        except ValueError as error:
            raise ValueError(f"row {index}: {error}") from None
    raise ValueError(f"a {kind.__name__} in the list cannot be read")


def _what_is_wrong(kind: type[Any], document: dict[str, Any]) -> str:
    from cattrs import transform_error

    try:
        _converter(True).structure(document, kind)
    except Exception as error:
        fields = sorted(
            {
                problem.split("@")[-1].strip().removeprefix("$").lstrip(".")
                for problem in transform_error(error)
                if "@" in problem
            }
        )
        return f"a {kind.__name__} whose {', '.join(fields) or 'fields'} cannot be read"
    return f"a {kind.__name__} that cannot be read"
