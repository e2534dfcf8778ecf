"""Modules: folders with the same language, called with inputs and read by their outputs (decision 9).

Each instance of a call is a world of its own: it sees its inputs and nothing else of its caller, and its caller sees
its outputs and nothing else of it. All instances share the findings, the lookups and the order of evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang.dependencies import depends_on
from flowplan.lang.descent import describe
from flowplan.lang.document import Map
from flowplan.lang.folders import FolderError
from flowplan.lang.inputs import Input
from flowplan.lang.meta import unknown_key
from flowplan.lang.naming import module_slug
from flowplan.lang.outputs import OutputValue
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.sections import Entry, Sections, listed
from flowplan.lang.shape import items_of, wanted
from flowplan.lang.shared import MAX_MODULES
from flowplan.lang.stack import Dependency
from flowplan.lang.template import is_template, templates
from flowplan.lang.words import ExpressionError, Slot
from flowplan.values.address import Address, Kind, module_part
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.value import Reference

if TYPE_CHECKING:
    from flowplan.lang.folders import Folder
    from flowplan.lang.world import World

_FIELDS = ("source", "with", "for_each", "when", "depends_on")
MAX_DEPTH = 30
"""How deep modules may be nested."""
_STEPS = 500
"""The steps that one resource of a module counts as, each time the module is made."""
_SOURCE = "Write source: ./FOLDER, relative to this file's folder."


class ModuleCall:
    """One entry of ``modules``: a call of a folder, with or without ``for_each``."""

    def __init__(self, world: World, entry: Entry) -> None:
        self.world, self.entry, self.name = world, entry, entry.name
        self.document, self.at, self.end = entry.document, entry.at, entry.end
        self.label = f"{world.prefix}module.{entry.name}"
        self.body: Map = entry.node if type(entry.node) is Map else Map()
        self.has_each = "for_each" in self.body
        self.running = self.prepared = False
        self.references: dict[Reference, None] = {}
        self.dependencies: tuple[Dependency, ...] = ()
        self.folder: Folder | None = None
        self.sections: Sections | None = None
        self._worlds: dict[str | None, World | None] | None = None
        self._is_broken = not self._read()

    # -- the call ---------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Read the call and its folder; False after a report."""
        scope = Scope(self.world, self.document)
        node = self.entry.node
        if type(node) is not Map:
            what = f"a module is called by a mapping, not {describe(node)}"
            scope.fail(self.at if node is None else self.entry.node_at, what, _SOURCE)
            return False
        for key in node:
            if key not in _FIELDS:
                unknown_key(scope, node, key, "a module's call", _FIELDS)
        given = node.get("with")
        if given is not None and type(given) is not Map:
            what = f"with must be a mapping of variables to values, not {describe(given)}"
            scope.fail(node.value_at("with"), what, "Write NAME: VALUE below with:.")
        source = node.get("source")
        if source is None:
            place = node.value_at("source") if "source" in node else self.at
            scope.fail(place, f"the module {self.name} has no source", _SOURCE)
            return False
        at = node.value_at("source")
        if not isinstance(source, str):
            scope.fail(at, f"source must be a text, not {describe(source)}", _SOURCE)
        elif is_template(source):
            scope.fail(at, "source is a plain path, without expressions", _SOURCE)
        else:
            self._open(scope, source, at)
        return not scope.broken

    def _open(self, scope: Scope, source: str, at: int) -> None:
        world, shared = self.world, self.world.shared
        try:
            folder = shared.folders.open(source, world.identity)
        except FolderError as error:
            scope.fail(at, error.summary, error.suggestion)
            return
        above: list[World] = []
        outer: World | None = world
        while outer is not None:
            above.insert(0, outer)
            outer = outer.parent
        chain = [one.identity for one in above]
        if len(chain) > MAX_DEPTH:
            what = f"modules are nested more than {MAX_DEPTH} deep"
            scope.fail(at, what, "Call this one from further up.")
            return
        if folder.identity in chain:
            shown = [one.folder or "." for one in above[chain.index(folder.identity) :]]
            what = f"modules call each other in a circle: {' → '.join([*shown, folder.shown])}"
            scope.fail(at, what, "A module cannot be part of itself; remove one of these calls.")
            return
        if folder.identity not in shared.sections:
            shared.sections[folder.identity] = sections = Sections(shared.findings, module=True)
            for text in folder.sources:
                shared.texts[text.path] = text.text
                sections.read(text)
        self.folder = folder
        self.sections = shared.sections[folder.identity]
        shared.calls[self.label] = source
        if self.sections is None or self.sections.unreadable:
            scope.broken = True
            return
        self._check_inputs(scope, self.sections)

    def _check_inputs(self, scope: Scope, sections: Sections) -> None:
        """Report inputs that the module does not have, and ones that it needs and does not get."""
        entries, whole = sections.items("variables", "variable")
        given = self.body.get("with")
        given = given if type(given) is Map else Map()
        declared = {entry.name: entry.node for entry in entries}
        findings = scope.world.findings  # Why not fail: what else is wrong in the module can still be told
        misspelt: list[str] = []
        for name in given:
            if name not in declared and whole:
                known = f"Its variables are: {listed(declared)}." if declared else "It declares no variables."
                near = did_you_mean(str(name), declared) or known
                misspelt.append(near)
                what = f"the module {self.name} has no variable {name!r}"
                findings.at(self.document, given.key_at(name), what, near)
        for name, node in declared.items():
            meant = any(repr(name) in near for near in misspelt)
            if (
                name not in given
                and not meant
                and not (type(node) is Map and ("default" in node or "secret" in node))
            ):
                kind = f" ({node['type']})" if type(node) is Map and isinstance(node.get("type"), str) else ""
                what = f"the module {self.name} needs a value for its variable {name}{kind}"
                findings.at(self.document, self.at, what, f"Write {name}: … below with:.", end=self.end)

    def texts(self) -> Iterable[str]:
        """Every text with an expression in it."""
        return templates(self.body)

    # -- its instances ----------------------------------------------------------------------------------

    def worlds(self) -> Mapping[str | None, World | None]:
        """The instances by key; None for one that ``when`` switches off.

        Raises:
            Silent: the call is broken, which is reported.
            ExpressionError: its shape depends on itself.
        """
        if self._worlds is None:
            if self._is_broken:
                raise Silent
            try:
                with self.world.evaluating(self):
                    self._worlds = self._expand()
            except Silent:
                self._is_broken = True
                raise
            if self._worlds is None:
                self._is_broken = True
                raise Silent
        return self._worlds

    def _expand(self) -> dict[str | None, World | None] | None:
        scope = Scope(self.world, self.document)
        keys: dict[str | None, tuple[str, Any] | None] = {None: None}
        if self.has_each:
            items = items_of(scope, self.body, "instance of the module")
            self.references.update(scope.references)
            if items is None:
                return None
            keys = {key: (key, value) for key, value in items.items()}
        scope = Scope(self.world, self.document)
        self.dependencies = depends_on(scope, self.body, self.world)
        if scope.broken:
            return None
        found: dict[str | None, World | None] = {}
        for key, each in keys.items():
            scope = Scope(self.world, self.document, each=each)
            holds = wanted(scope, self.body)
            self.references.update(scope.references)
            if holds is None:
                return None
            found[key] = self._make(scope, key, each) if holds else None
        return found

    def _make(self, scope: Scope, key: str | None, each: tuple[str, Any] | None) -> World | None:
        from flowplan.lang.assemble import assemble
        from flowplan.lang.world import World

        caller, shared = self.world, self.world.shared
        assert self.folder is not None and self.sections is not None
        shared.modules += 1
        shared.meter.left -= _STEPS * sum(
            len(self.sections.items(kind.section, kind.value)[0]) for kind in Kind
        )
        if shared.modules > MAX_MODULES or shared.meter.left < 0:
            what = f"the modules of this stack have more than {MAX_MODULES:,} instances, or too much in them"
            scope.fail(self.at, what, "Split the stack.")
            raise Silent
        part = module_part(self.name, key)
        world = World(
            shared,
            self.folder.reader,
            self.folder.shown,
            (*caller.module, part),
            (*caller.slugs, module_slug(self.name, key)),
        )
        world.parent, world.identity, world.stack_name = caller, self.folder.identity, caller.stack_name
        world.inherited = (*caller.inherited, *self.dependencies)
        given = self.body.get("with")
        given = given if type(given) is Map else Map()

        def inputs(entry: Entry) -> Input:
            return Input(world, entry, self, given, each)

        assemble(world, self.sections, inputs)
        return world

    def get(self) -> None:
        """Evaluate everything in all its instances.

        Raises:
            Silent: the call is broken, which is reported.
        """
        for world in self.worlds().values():
            if world is not None:
                for thing in world.things():
                    world.order.prepare(thing)

    # -- its outputs ------------------------------------------------------------------------------------

    def _known(self) -> list[str]:
        return [entry.name for entry in self.sections.items("outputs", "output")[0]] if self.sections else []

    def output(self, parts: tuple[Any, ...], text: str) -> tuple[OutputValue, tuple[Any, ...]]:
        """The output that a path names below the module's name, and what follows.

        Raises:
            ExpressionError: there is no such instance or output.
            Silent: the call, or the output, is broken, which is reported.
        """
        worlds, known = self.worlds(), self._known()
        key: Any = None
        if self.has_each:
            if not parts or (parts[0] in known and parts[0] not in worlds):
                places = ", ".join(f'module.{self.name}["{one}"]' for one in list(worlds)[:8])
                raise ExpressionError(
                    f"module.{self.name} has for_each, so it is several modules",
                    f"Choose one of them: {places}." if places else "Its for_each is empty.",
                    text,
                )
            key, parts = parts[0], parts[1:]
        if not isinstance(key, (str, type(None))) or key not in worlds:
            keys = ", ".join(repr(one) for one in list(worlds)[:20]) or "none, for_each is empty"
            raise ExpressionError(
                f"module.{self.name} has no instance {key!r}", f"Its keys are: {keys}.", text
            )
        world = worlds[key]
        if world is None:
            raise ExpressionError(
                f"{self.label} is switched off by its when",
                "Use it only where the same condition holds.",
                text,
            )
        outputs = f"Its outputs are: {listed(known)}." if known else "It has no outputs."
        if not parts:
            raise ExpressionError(f"module.{self.name} alone is no value", outputs, text)
        found = world.outputs.get(parts[0]) if isinstance(parts[0], str) else None
        if found is None:
            if "output" in world.opaque:
                raise Silent
            near = did_you_mean(str(parts[0]), known) or outputs
            raise ExpressionError(f"the module {self.name} has no output {parts[0]!r}", near, text)
        return found, parts[1:]

    def need(self, parts: tuple[Any, ...]) -> Any:
        """What is to be evaluated before a path below the module's name; itself where that is not certain."""
        if any(type(part) is Slot for part in parts[:2]):
            return self
        try:
            return self.output(parts, "")[0]
        except (Silent, ExpressionError):
            return None

    def any_output(self) -> list[Reference]:
        """What the outputs of all instances are made of."""
        found: dict[Reference, None] = {}
        for world in self.worlds().values():
            for output in world.outputs.values() if world is not None else ():
                try:
                    output.get()
                except (Silent, ExpressionError):
                    continue
                found.update(dict.fromkeys(output.references))
        return list(found)

    def addresses(self, key: str | None = None) -> Iterator[Address]:
        """The desired resources in all its instances, or in one.

        Raises:
            Silent: something in it is broken, which is reported.
            ExpressionError: its shape depends on itself.
        """
        for one, world in self.worlds().items():
            if world is None or (key is not None and key != one):
                continue
            for kind in Kind:
                for declaration in world.resources[kind].values():
                    for instance in declaration.instances().values():
                        if instance.desired:
                            yield instance.address
            for call in world.modules.values():
                yield from call.addresses()
