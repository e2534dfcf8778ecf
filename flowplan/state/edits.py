"""Edits of a recorded state that ask nothing of the provider: records under other addresses, records dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve

from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address


def readdressed(snapshot: Snapshot, moves: Mapping[Address, Address]) -> Snapshot:
    """The state with each record of ``moves`` under its new address, and all that names it following.

    Raises:
        ValueError: a new address is taken, is given twice, or is of another kind.
    """
    targets: set[Address] = set()
    for old, new in moves.items():
        if old.kind is not new.kind:
            raise ValueError(f"{old} cannot become {new}: they are not of one kind")
        if new in targets or (new in snapshot.records and new not in moves):
            raise ValueError(f"{new} is taken")
        targets.add(new)
    records = [_following(record, moves) for record in snapshot.records.values()]
    records.sort(key=lambda record: record.address.sort_key)
    return evolve(snapshot, records={record.address: record for record in records})


def _following(record: Record, moves: Mapping[Address, Address]) -> Record:
    address = moves.get(record.address, record.address)
    dependencies = _renamed(record.dependencies, moves)
    deposed = tuple(evolve(old, dependencies=_renamed(old.dependencies, moves)) for old in record.deposed)
    triggers = record.triggers
    if triggers:
        words = {str(old): str(new) for old, new in moves.items()}
        triggers = {_reference(text, words): value for text, value in triggers.items()}
    found: Record = evolve(
        record, address=address, dependencies=dependencies, deposed=deposed, triggers=triggers
    )
    return found


def _renamed(addresses: tuple[Address, ...], moves: Mapping[Address, Address]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(moves.get(address, address) for address in addresses))


def _reference(text: str, words: Mapping[str, str]) -> str:
    """A reference such as ``task.a["k"].id``, with its address renamed."""
    for old, new in words.items():
        if text == old or text.startswith(f"{old}."):
            return new + text[len(old) :]
    return text


def moves_of_module(
    addresses: Iterable[Address], origin: tuple[str, ...], to: tuple[str, ...]
) -> dict[Address, Address]:
    """What moving all that is in the module call ``origin`` to ``to`` does to each address; a call without a key
    stands for all its instances, which keep their keys."""
    moves = {}
    for address in addresses:
        path = address.module[: len(origin)]
        if len(path) < len(origin) or path[:-1] != origin[:-1]:
            continue
        if path[-1] == origin[-1]:
            last = to[-1]
        elif path[-1].startswith(f"{origin[-1]}[") and "[" not in to[-1]:
            last = to[-1] + path[-1][len(origin[-1]) :]
        else:
            continue
        moves[address] = evolve(address, module=(*to[:-1], last, *address.module[len(origin) :]))
    return moves


def moves_of_resource(addresses: Iterable[Address], origin: Address, to: Address) -> dict[Address, Address]:
    """What moving a resource does to each address; without keys on both sides all its instances move."""
    moves: dict[Address, Address] = {}
    for address in addresses:
        if address == origin:
            moves[address] = to
        elif origin.key is None and to.key is None and address.resource == origin:
            moves[address] = evolve(to, key=address.key)
    return moves


def without(snapshot: Snapshot, gone: Iterable[Address]) -> Snapshot:
    """The state without these records."""
    dropped = set(gone)
    records: dict[Address, Any] = {a: r for a, r in snapshot.records.items() if a not in dropped}
    return evolve(snapshot, records=records)


def with_kept(target: Snapshot, present: Snapshot, kept: Iterable[Address]) -> Snapshot:
    """``target`` with the records that only ``present`` has, at the addresses ``kept``.

    Raises:
        ValueError: an address is taken there by another object.
    """
    records = dict(target.records)
    for address in kept:
        if address in records:
            raise ValueError(f"{address} is taken")
        records[address] = present.records[address]
    ordered = sorted(records.items(), key=lambda item: item[0].sort_key)
    return evolve(target, records=dict(ordered))
