"""``moved``: records get the addresses that the stack now gives them; nothing at the provider changes.

Also what looks like a rename that nobody declared: it is offered, never assumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import Action, Move, ResourceChange
from flowplan.plan.reason import Cause
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.value import dump, is_known, seal

if TYPE_CHECKING:
    from flowplan.lang.entries import Moved

_CALL = r'module\.([a-z][a-z0-9_-]*(?:\[(?:"(?:[^"\\]|\\.)*"|\'[^\']*\')\])?)(?:\.|$)'


@frozen
class _Rule:
    """One ``moved`` entry, read: between two resources, or between two module calls."""

    entry: Moved
    origin: Address | tuple[str, ...]
    to: Address | tuple[str, ...]


def read_place(text: str) -> Address | tuple[str, ...]:
    """A resource's address, or the path of a module call.

    Raises:
        ValueError: the text is neither.
    """
    call, calls, end = re.compile(_CALL), [], 0
    while (match := call.match(text, end)) is not None:
        calls.append(re.sub(r"\['([^']*)'\]", r'["\1"]', match[1]))
        end = match.end()
    return tuple(calls) if calls and end == len(text) else Address.parse(text)


def _rules(moved: Iterable[Moved]) -> tuple[list[_Rule], list[Diagnostic]]:
    rules, problems = [], []
    for entry in moved:
        try:
            origin, to = read_place(entry.origin), read_place(entry.to)
        except ValueError as error:
            problems.append(
                _problem(entry, f"moved cannot be read: {error}", "Write an address on both sides.")
            )
            continue
        kinds = {getattr(side, "kind", None) for side in (origin, to)}
        if len(kinds) > 1:
            summary = f"{entry.origin} cannot be moved to {entry.to}: they are not of one kind"
            problems.append(
                _problem(entry, summary, "Move a resource to one of its kind, a module to a module.")
            )
        else:
            rules.append(_Rule(entry, origin, to))
    return rules, problems


def _problem(entry: Moved, summary: str, suggestion: str) -> Diagnostic:
    return Diagnostic.error(summary, span=entry.span, suggestion=suggestion)


class _Renaming:
    """The rules, found by what they start from: each address is looked up, never compared with every rule."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._exact: dict[Address, _Rule] = {}
        self._modules: dict[tuple[str, ...], _Rule] = {}
        self.problems: list[Diagnostic] = []
        for rule in rules:
            table: dict[Any, _Rule] = self._exact if isinstance(rule.origin, Address) else self._modules
            if table.setdefault(rule.origin, rule) is not rule:
                summary = f"{rule.entry.origin} is moved to two places"
                self.problems.append(_problem(rule.entry, summary, "Keep one of the entries."))

    def final(self, address: Address) -> tuple[Address, Moved | None]:
        """Where a chain of moves ends, and its last entry; the address itself where no rule applies.

        Raises:
            RecursionError: the chain goes in a circle.
        """
        seen, entry = {address}, None
        while (step := self._once(address)) is not None:
            address, entry = step
            if address in seen:
                raise RecursionError(str(address))
            seen.add(address)
        return address, entry

    def _once(self, address: Address) -> tuple[Address, Moved] | None:
        rule = self._exact.get(address)
        if rule is None and address.key is not None:
            rule = self._exact.get(address.resource)
            if rule is not None and rule.to.key is not None:  # type: ignore[union-attr]
                rule = None  # it is about the one instance there was before for_each came
        if rule is not None:
            assert isinstance(rule.origin, Address) and isinstance(rule.to, Address)
            keeps = rule.origin.key is None and rule.to.key is None
            return (evolve(rule.to, key=address.key) if keeps else rule.to), rule.entry
        for depth in range(len(address.module), 0, -1):
            path = address.module[:depth]
            bare = (*path[:-1], path[-1].partition("[")[0])
            for origin in dict.fromkeys((path, bare)):
                found = self._modules.get(origin)
                if found is None:
                    continue
                to = tuple(found.to)  # type: ignore[arg-type]
                if origin != path and "[" in to[-1]:
                    continue  # it is about the one instance there was before for_each came
                if origin != path:
                    to = (*to[:-1], to[-1] + path[-1][len(bare[-1]) :])
                return evolve(address, module=(*to, *address.module[depth:])), found.entry
        return None


def apply_moves(stack: Stack, snapshot: Snapshot) -> tuple[Snapshot, tuple[Move, ...], list[Diagnostic]]:
    """The snapshot with every record at the address that ``moved`` gives it, the moves, and what is wrong with them."""
    if not stack.moved:
        return snapshot, (), []
    rules, problems = _rules(stack.moved)
    renaming = _Renaming(rules)
    problems += renaming.problems
    moves: list[Move] = []
    taken: dict[Address, Address] = {}
    for address in snapshot.records:
        try:
            to, entry = renaming.final(address)
        except RecursionError:
            entry = next(rule.entry for rule in rules)
            summary = f"The moved entries lead {address} in a circle"
            problems.append(_problem(entry, summary, "Take one of the entries out."))
            continue
        taken.setdefault(to, address)
        if entry is None or to == address:
            continue
        if address in stack.resources:
            summary = f"{address} cannot be moved to {to}: it is still declared"
            problems.append(_problem(entry, summary, f"Take {address} out of the stack, or the moved entry."))
        elif taken[to] != address or (to in snapshot.records and renaming.final(to)[0] == to):
            summary = f"{address} cannot be moved to {to}: something is recorded there already"
            advice = f"Take the moved entry out; {address} is then removed or kept as the stack says."
            problems.append(_problem(entry, summary, advice))
        else:
            moves.append(Move(address, to, entry.span))
    moves.sort(key=lambda move: move.origin.sort_key)
    return renamed(snapshot, moves), tuple(moves), problems


def renamed(snapshot: Snapshot, moves: Sequence[Move]) -> Snapshot:
    """The snapshot after ``moves``: records, and what they depend on, under their new addresses."""
    names = {move.origin: move.to for move in moves}
    if not names:
        return snapshot
    records = [rename_record(record, names) for record in snapshot.records.values()]
    records.sort(key=lambda record: record.address.sort_key)
    return evolve(snapshot, records={record.address: record for record in records})


def rename_record(record: Record, names: Mapping[Address, Address]) -> Record:
    """A record with every address in it that ``names`` holds replaced; the same one where it holds none."""
    inside = (record.address, *record.dependencies, *(d for old in record.deposed for d in old.dependencies))
    if not record.triggers and not any(address in names for address in inside):
        return record

    def new(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        return tuple(sorted(names.get(address, address) for address in addresses))

    return evolve(
        record,
        address=names.get(record.address, record.address),
        dependencies=new(record.dependencies),
        deposed=tuple(evolve(old, dependencies=new(old.dependencies)) for old in record.deposed),
        triggers={_rename_text(text, names): value for text, value in record.triggers.items()},
    )


def _rename_text(text: str, names: Mapping[Address, Address]) -> str:
    for where, rest in ((text, ""), (text.rpartition(".")[0], "." + text.rpartition(".")[2])):
        try:
            address = Address.parse(where)
        except ValueError:
            continue
        if address in names:
            return f"{names[address]}{rest}"
    return text


_NAMED = frozenset({"name", "mount_path"})
"""What follows from an address where nobody says it, and so differs after a rename."""


def rename_hints(stack: Stack, snapshot: Snapshot, changes: Sequence[ResourceChange]) -> list[Diagnostic]:
    """A hint for each pair of one removed and one new resource that are alike and like no other."""
    lost = [c for c in changes if c.action is Action.DELETE and _was_removed(c)]
    made = [c for c in changes if c.action is Action.CREATE and c.before is None]
    if not lost or not made:
        return []
    olds: dict[str, list[ResourceChange]] = {}
    for change in lost:
        olds.setdefault(_likeness(change, change.before or {}), []).append(change)
    news: dict[str, list[ResourceChange]] = {}
    for change in made:
        after = change.after or {}
        if is_known(after):
            news.setdefault(_likeness(change, seal(dict(after), snapshot.key)), []).append(change)
    hints = []
    for likeness, old in olds.items():
        new = news.get(likeness, [])
        if len(old) == len(new) == 1:
            hints.append(_hint(old[0].address, new[0].address, stack.resources[new[0].address]))
    return hints


def _was_removed(change: ResourceChange) -> bool:
    return not change.deposed and any(reason.cause is Cause.REMOVED for reason in change.reasons)


def _likeness(change: ResourceChange, config: Mapping[str, Any]) -> str:
    told = {name: value for name, value in config.items() if name not in _NAMED}
    return change.kind.value + json.dumps(dump(told), sort_keys=True, ensure_ascii=False)


def _hint(old: Address, new: Address, resource: Resource) -> Diagnostic:
    return Diagnostic.warning(
        f"{old} and {new} look like one resource with a new name",
        f"The plan destroys {old} and makes {new}, which is declared alike.",
        span=resource.span,
        snippet=resource.snippet,
        address=new,
        suggestion=f"If it is a rename, add to the stack: moved: [{{from: {_quoted(old)}, to: {_quoted(new)}}}]",
    )


def _quoted(address: Address) -> str:
    return f"'{address}'" if address.key is not None else str(address)
