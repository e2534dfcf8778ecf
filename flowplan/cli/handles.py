"""From addresses on the command line to recorded tasks, in whichever recorded stack they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.cli.context import Context
from flowplan.cli.project import Project, find_project
from flowplan.cli.recorded import lies_in, nothing_recorded, unknown_stack
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean

if TYPE_CHECKING:
    from flowplan.backend.sqlite import SqliteBackend

_MODULES = re.compile(
    r'module\.[a-z][a-z0-9_-]*(\["(?:[^"\\]|\\.)*"\])?(\.module\.[a-z][a-z0-9_-]*(\["(?:[^"\\]|\\.)*"\])?)*'
)
_PART = re.compile(r'module\.([a-z][a-z0-9_-]*(?:\["(?:[^"\\]|\\.)*"\])?)')
_BARE_KEY = re.compile(r"""(?P<head>[^\[\]]*)\[(?P<key>[^\[\]"']+)\]""")
"""An address whose quotes the shell has taken: ``task.train[base]``."""


@frozen
class Target:
    """A task that a command is about. ``record`` is None while an interrupted creation is all that is known of it."""

    snapshot: Snapshot
    address: Address
    record: Record | None
    entry: Entry | None = None

    @property
    def stack(self) -> str:
        """The name of its stack."""
        return self.snapshot.stack


@frozen
class Found:
    """The tasks that were asked for, in order of stack and address."""

    project: Project
    targets: tuple[Target, ...]

    @property
    def stacks(self) -> list[str]:
        """The stacks they are in."""
        return list(dict.fromkeys(target.stack for target in self.targets))

    def label(self, target: Target) -> str:
        """What a task is called in output: its address, after its stack where there are several."""
        return f"{target.stack}/{target.address}" if len(self.stacks) > 1 else str(target.address)


def find_targets(
    context: Context, patterns: Sequence[str], stack: str | None, everywhere: bool = False
) -> Found:
    """The recorded tasks that ``patterns`` name: addresses, whole modules, or texts with ``*`` and ``?``.

    Without patterns all tasks of the stack, or (``everywhere``) of all stacks. A pattern that fits in several stacks
    needs ``stack``, unless the current folder holds just one of them or ``everywhere`` is set.

    Raises:
        FlowplanError: a pattern is no address of a task, fits nothing, or fits in several stacks.
    """
    project = find_project(Path.cwd(), context.environ)
    backend = context.backend(project)
    try:
        names = backend.stacks()
        if stack is not None and stack not in names:
            raise unknown_stack(stack, names, project)
        if not names and everywhere and not patterns:
            return Found(project, ())
        if not names:
            raise nothing_recorded(project)
        known = [target for name in ([stack] if stack else names) for target in _tasks(backend, name)]
        other = [] if known else [record for name in names for record in backend.snapshot(name).records]
    finally:
        backend.close()
    if not patterns:
        chosen = known if everywhere or stack else _one_stack("", known, project)
    else:
        chosen = []
        for text in patterns:
            fitting = list(_fitting(text, known))
            if not fitting:
                raise _nothing_fits(text, known, other, [stack] if stack else names)
            chosen += fitting if everywhere or stack else _one_stack(text, fitting, project)
    unique = {(target.stack, target.address): target for target in chosen}
    order = sorted(unique, key=lambda at: (at[0], at[1].sort_key))
    return Found(project, tuple(unique[at] for at in order))


def read_again(context: Context, project: Project, target: Target) -> tuple[Record | None, bool]:
    """What is on record now of a task that was: its record, and whether it is being ended this moment.

    None as record: flowplan has destroyed or replaced it since.
    """
    backend = context.backend(project)
    try:
        record = backend.snapshot(target.stack).records.get(target.address)
        ending = [one.id for one in backend.unfinished(target.stack) if one.operation is Operation.DELETE]
    finally:
        backend.close()
    before = target.record
    if record is None or before is None or record.id != before.id:
        return None, True
    return record, record.id in ending


def only_one(found: Found, what: str) -> Target:
    """The only task that was asked for.

    Raises:
        FlowplanError: there are several, and ``what`` works on one.
    """
    if len(found.targets) == 1:
        return found.targets[0]
    names = ", ".join(found.label(target) for target in found.targets) or "none"
    raise FlowplanError(
        Diagnostic.error(
            f"{what} works on one task, and {len(found.targets)} were asked for",
            f"They are {names}.",
            suggestion="Name one of them." if found.targets else "flowplan status shows what there is.",
        )
    )


def _tasks(backend: SqliteBackend, name: str) -> Iterator[Target]:
    snapshot = backend.snapshot(name)
    for record in snapshot.records.values():
        if record.kind is Kind.TASK:
            yield Target(snapshot, record.address, record)
    for entry in backend.unfinished(name):
        begun = entry.operation is Operation.CREATE and entry.kind is Kind.TASK
        if begun and entry.address not in snapshot.records:
            yield Target(snapshot, entry.address, None, entry)


def _fitting(text: str, known: Sequence[Target]) -> Iterator[Target]:
    """The targets that one argument names.

    Raises:
        FlowplanError: it names something that is no task, or is no address.
    """
    if "*" in text or "?" in text:
        if exact := [target for target in known if str(target.address) == text]:
            yield from exact  # a key may hold such characters
            return
        form = re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in text), re.DOTALL)
        for target in known:
            address = str(target.address)
            if form.fullmatch(address) or form.fullmatch(address.replace('"', "")):
                yield target
        return
    if _MODULES.fullmatch(text):
        path = tuple(_PART.findall(text))
        yield from (t for t in known if _is_below(t.address.module[: len(path)], path))
        return
    wanted = _parse(text)
    if wanted.kind is not Kind.TASK:
        raise FlowplanError(
            Diagnostic.error(
                f"{wanted} is not a task", "This command is about tasks only.", address=wanted,
                suggestion=f"flowplan state show '{wanted}' shows what is recorded of it.",
            )
        )  # fmt: skip
    for target in known:
        at = target.address
        same_key = wanted.key is None or at.key == wanted.key
        if at.name == wanted.name and same_key and _is_below(at.module, wanted.module):
            yield target


def _parse(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        if bare := _BARE_KEY.fullmatch(text):
            try:
                return Address.parse(f'{bare["head"]}["{bare["key"]}"]')
            except ValueError:
                pass
        raise FlowplanError(
            Diagnostic.error(
                f"{text!r} is not an address",
                f"{str(error)[:1].upper()}{str(error)[1:]}." if not str(error).startswith(repr(text)) else "",
                suggestion="Write task.train, 'task.train[\"key\"]', module.net, or a pattern such as 'task.*'.",
            )
        ) from None


def _is_below(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether a module path is the wanted one; a part without a key stands for all instances of that module."""
    return len(path) == len(wanted) and all(
        part == want or part.startswith(f"{want}[") for part, want in zip(path, wanted, strict=True)
    )


def _one_stack(text: str, fitting: list[Target], project: Project) -> list[Target]:
    """The targets of one stack: the only one, or the only one whose source lies in the current folder.

    Raises:
        FlowplanError: there are several.
    """
    names = list(dict.fromkeys(target.stack for target in fitting))
    if len(names) <= 1:
        return fitting
    here = str(Path.cwd().relative_to(project.root)) if Path.cwd().is_relative_to(project.root) else "."
    near = {t.stack for t in fitting if here != "." and lies_in(t.snapshot.source, here)}
    if len(near) == 1:
        return [target for target in fitting if target.stack in near]
    raise FlowplanError(
        Diagnostic.error(
            f"{text} is in more than one stack" if text else "More than one stack is recorded here",
            f"They are {', '.join(names[:20])}{', …' if len(names) > 20 else ''}.",
            suggestion=f"Name one with --stack, for example --stack {names[0]}",
        )
    )


def _nothing_fits(
    text: str, known: Sequence[Target], others: Sequence[Address], stacks: Sequence[str]
) -> FlowplanError:
    where = f"the state of stack {stacks[0]}" if len(stacks) == 1 else "any recorded stack"
    addresses = [str(target.address) for target in known]
    if not addresses:
        detail = f"No task is recorded{', only ' + ', '.join(map(str, others[:5])) if others else ''}."
        return FlowplanError(Diagnostic.error(f"{text} is not in {where}", detail))
    shown = list(dict.fromkeys(addresses))
    same = [one for one in shown if one.startswith(f"{text.partition('[')[0]}[")] if "[" in text else []
    advice = f"It has instances: {', '.join(same[:10])}." if same else did_you_mean(text, shown)
    return FlowplanError(
        Diagnostic.error(
            f"{text} is not in {where}", suggestion=advice or "flowplan status shows all recorded tasks."
        )
    )
