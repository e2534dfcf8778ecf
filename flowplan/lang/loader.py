"""Sources to a `Stack`: every section read, every expression evaluated, every mistake reported at once."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

from flowplan.lang.build import parse_document
from flowplan.lang.declaration import Declaration
from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.findings import Findings
from flowplan.lang.meta import unknown_key
from flowplan.lang.reader import Reader
from flowplan.lang.scope import Scope
from flowplan.lang.stack import Output, ProviderSettings, Source, Stack
from flowplan.lang.variables import Declared, VariableSource, declare, parse_variables, settle
from flowplan.lang.world import KindOf, Local, World
from flowplan.resources import kind_of
from flowplan.values.address import NAME, Address, Kind
from flowplan.values.diagnostic import Diagnostics, did_you_mean
from flowplan.values.value import is_sensitive

VARIABLES_FILE = "flowplan.vars.yaml"
"""The file of values beside a stack."""
SECTIONS = (
    "stack", "requires", "description", "provider", "variables", "locals",
    *(kind.section for kind in Kind), "outputs",
)  # fmt: skip
"""The sections this version reads."""
LATER = (
    "backend",
    "modules",
    "moved",
    "removed",
    "imports",
    "data",
    "checks",
    "budget",
    "limits",
    "defaults",
)
"""Sections of the language that this version knows by name only; to ignore one would be to promise it."""
_ONCE = ("stack", "requires", "description", "provider")
_PROVIDERS = ("sandbox", "mithril")
_PROVIDER_FIELDS = ("type", "project", "region", "api_url")
_OUTPUT_FIELDS = ("value", "description", "sensitive")


def is_stack_file(path: str) -> bool:
    """Whether a file of a stack's folder is part of the stack: a YAML file, no values and no task's own file."""
    name = path.rsplit("/", 1)[-1]
    return (
        name.endswith((".yaml", ".yml"))
        and name != VARIABLES_FILE
        and not name.endswith((".task.yaml", ".task.yml", ".vars.yaml", ".vars.yml"))
    )


def load_stack(
    sources: Sequence[Source],
    inputs: Sequence[VariableSource],
    reader: Reader,
    tool_version: str,
    kinds: KindOf = kind_of,
) -> tuple[Stack | None, Diagnostics]:
    """The stack that ``sources`` spell with the variable values in ``inputs`` (weakest first), and what is wrong.

    The stack is None when anything is an error; diagnostics come in file order and never hold a sensitive
    value. A source named ``flowplan.vars.yaml`` gives values weaker than all inputs; task files are skipped.
    """
    running = gc.isenabled()
    gc.disable()  # Why: what is built here is kept, so the collector finds nothing, and finds it often
    try:
        return _load(sources, inputs, _Loading(reader, tool_version, kinds))
    finally:
        if running:
            gc.enable()


def _load(
    sources: Sequence[Source], inputs: Sequence[VariableSource], loading: _Loading
) -> tuple[Stack | None, Diagnostics]:
    order = [source.path for source in sources]
    values: list[VariableSource] = []
    for source in sources:
        if source.path.rsplit("/", 1)[-1] == VARIABLES_FILE:
            given, found = parse_variables(source)
            values.append(given)
            loading.findings.extend(found)
        elif is_stack_file(source.path) or len(sources) == 1:
            loading.read(source)
    stack = loading.stack([*values, *inputs], tuple(sources))
    found = loading.findings.finish(order)
    return (None if found.has_errors else stack), found


class _Entry:
    """One top-level key of one file."""

    def __init__(self, document: Document, name: str, at: int, node: Any, node_at: int) -> None:
        self.document, self.name, self.at, self.node, self.node_at = document, name, at, node, node_at


class _Loading:
    """The state of one load."""

    def __init__(self, reader: Reader, tool_version: str, kinds: KindOf) -> None:
        self.findings = Findings()
        self.world = World(self.findings, kinds, reader)
        self.tool_version = tool_version
        self.documents: list[Document] = []
        self.entries: list[_Entry] = []
        self.unreadable = False

    # -- texts ------------------------------------------------------------------------------------------

    def read(self, source: Source) -> None:
        """Parse one file and sort its top-level keys out."""
        document, found = parse_document(source.path, source.text)
        self.findings.extend(found)
        self.documents.append(document)
        root = document.root
        if root is None:
            self.unreadable |= found.has_errors
            return
        if type(root) is not Map:
            self.unreadable = True
            self.findings.at(
                document,
                0,
                f"a stack file is a mapping of sections, not {describe(root)}",
                "Start with stack: NAME.",
            )
            return
        for index, (name, node) in enumerate(root.items()):
            at, node_at = root.marks[2 * index], root.marks[2 * index + 1]
            if isinstance(name, str) and name.startswith("x-"):
                continue  # a place for anchors, as in Compose
            if name in SECTIONS:
                self.entries.append(_Entry(document, name, at, node, node_at))
            elif name in LATER:
                self.findings.at(
                    document,
                    at,
                    f"{name} is not supported by this version yet",
                    "Remove the section.",
                    end=at + len(name),
                )
            else:
                near = (
                    did_you_mean(str(name), (*SECTIONS, *LATER))
                    or f"The sections are: {', '.join(SECTIONS)}."
                )
                self.findings.at(document, at, f"there is no section {name!r}", near)

    def _named(self, section: str) -> list[_Entry]:
        return [entry for entry in self.entries if entry.name == section]

    def _items(self, section: str, root: str, what: str) -> list[_Entry]:
        """The named entries of a section over all files; a section that cannot be read makes its root opaque."""
        found: dict[str, _Entry] = {}
        for entry in self._named(section):
            if entry.node is None:
                continue
            if type(entry.node) is not Map:
                self.findings.at(
                    entry.document,
                    entry.node_at,
                    f"{section} must be a mapping, not {describe(entry.node)}",
                    f"Write NAME: … below {section}:.",
                )
                self.world.opaque.add(root)
                continue
            for index, (name, node) in enumerate(entry.node.items()):
                at, node_at = entry.node.marks[2 * index], entry.node.marks[2 * index + 1]
                if not isinstance(name, str) or NAME.fullmatch(name) is None:
                    self.findings.at(
                        entry.document, at, f"{name!r} cannot be the name of a {what}",
                        "A name starts with a lower-case letter and goes on with letters, digits, - and _.",
                    )  # fmt: skip
                    self.world.opaque.add(root)
                elif name in found:
                    first = found[name]
                    place = first.document.span(first.at, first.at + len(name))
                    self.findings.at(
                        entry.document,
                        at,
                        f"the {what} {name} is declared twice",
                        f"The first one is at {place}.",
                        end=at + len(name),
                    )
                else:
                    found[name] = _Entry(entry.document, name, at, node, node_at)
        return list(found.values())

    # -- sections ---------------------------------------------------------------------------------------

    def stack(self, inputs: Sequence[VariableSource], sources: tuple[Source, ...]) -> Stack | None:
        """Evaluate everything; None where so much is broken that going on would only repeat it."""
        if self.unreadable:
            return None  # Why: every name declared in a text that cannot be read would be reported as missing
        world = self.world
        self._requires()
        for section in _ONCE:
            self._once(section)
        declared: dict[str, Declared] = {}
        for entry in self._items("variables", "var", "variable"):
            declared[entry.name] = declare(
                world, entry.name, entry.document, entry.at, entry.node, entry.node_at
            )
        for entry in self._items("locals", "local", "local"):
            world.locals[entry.name] = Local(
                world, entry.name, entry.document, entry.at, entry.node, entry.node_at
            )
        if "var" in world.opaque:
            inputs = ()
        variables = settle(world, declared, inputs)
        # The name comes first: resources that have no name of their own are called after it.
        name = world.stack_name = self._text("stack")
        for kind in Kind:
            for entry in self._items(kind.section, kind.value, kind.value):
                self._declare(kind, entry)
        self._evaluate()
        description = self._text("description")
        provider = self._provider()
        outputs = self._outputs()
        if self.findings.has_errors:
            return None
        resources = {
            instance.address: instance
            for kind in Kind
            for declaration in world.resources[kind].values()
            for instance in declaration.instances().values()
            if instance.desired
        }
        return Stack(
            name=name,
            resources={
                address: resources[address].resource() for address in sorted(resources, key=_sort_key)
            },
            outputs=outputs,
            variables=variables,
            provider=provider,
            sources=sources,
            description=description,
        )

    def _once(self, section: str) -> None:
        named = self._named(section)
        for other in named[1:]:
            first = named[0]
            place = first.document.span(first.at, first.at + len(section))
            self.findings.at(
                other.document,
                other.at,
                f"{section} stands in two files",
                f"The first one is at {place}; keep one.",
                end=other.at + len(section),
            )
        if section == "stack" and not named:
            document = self.documents[0] if self.documents else Document("stack", "")
            self.findings.at(
                document, 0, "the stack has no name", "Add a line such as stack: my-stack.", end=0
            )

    def _requires(self) -> None:
        for entry in self._named("requires"):
            from packaging.specifiers import InvalidSpecifier, SpecifierSet
            from packaging.version import InvalidVersion

            if not isinstance(entry.node, str):
                self.findings.at(
                    entry.document,
                    entry.node_at,
                    f"requires must be a text, not {describe(entry.node)}",
                    'Write it as requires: ">=0.1".',
                )
                continue
            try:
                fits = SpecifierSet(entry.node).contains(self.tool_version, prereleases=True)
            except (InvalidSpecifier, InvalidVersion):
                self.findings.at(
                    entry.document,
                    entry.node_at,
                    f"{entry.node!r} is not a version constraint",
                    'Write it as requires: ">=0.1".',
                )
                continue
            if not fits:
                self.findings.at(
                    entry.document, entry.node_at, f"this stack requires flowplan {entry.node}, and this is {self.tool_version}",
                    "Install a version that fits, or change requires.",
                )  # fmt: skip

    def _declare(self, kind: Kind, entry: _Entry) -> None:
        world = self.world
        if type(entry.node) is not Map:
            Scope(world, entry.document, Address(kind, entry.name)).fail(
                entry.at if entry.node is None else entry.node_at,
                f"a {kind.value} is declared by a mapping of its fields, not {describe(entry.node)}",
            )
            world.opaque.add(kind.value)
            return
        world.resources[kind][entry.name] = Declaration(
            world, kind, entry.name, entry.document, entry.at, entry.node
        )

    def _evaluate(self) -> None:
        """Evaluate all locals and resources, what others refer to first."""
        world = self.world
        things: list[Any] = [*world.locals.values()]
        for kind in Kind:
            things += world.resources[kind].values()
        for thing in things:
            world.prepare(thing)

    def _text(self, section: str) -> str:
        for entry in self._named(section)[:1]:
            value = Scope(self.world, entry.document).shape(entry.node, entry.node_at, section, str)
            if value is None:
                if entry.node is None:
                    self.findings.at(
                        entry.document, entry.at, f"{section} is empty", f"Write {section}: TEXT."
                    )
                return ""
            if section == "stack" and NAME.fullmatch(value) is None:
                self.findings.at(
                    entry.document, entry.node_at, f"{value!r} cannot be the name of a stack",
                    "A name starts with a lower-case letter and goes on with letters, digits, - and _.",
                )  # fmt: skip
            return str(value)
        return ""

    def _provider(self) -> ProviderSettings:
        for entry in self._named("provider")[:1]:
            scope = Scope(self.world, entry.document)
            if type(entry.node) is not Map:
                scope.fail(
                    entry.node_at,
                    f"provider must be a mapping, not {describe(entry.node)}",
                    "Write type: mithril below provider:.",
                )
                break
            found: dict[str, str] = {}
            for key, value in entry.node.items():
                at = entry.node.value_at(key)
                if key not in _PROVIDER_FIELDS:
                    unknown_key(scope, entry.node, key, "provider", _PROVIDER_FIELDS)
                    continue
                text = scope.shape(value, at, f"provider.{key}", str) if value is not None else None
                if text is None:
                    continue
                if key == "type" and text not in _PROVIDERS:
                    near = did_you_mean(text, _PROVIDERS) or f"The providers are: {', '.join(_PROVIDERS)}."
                    scope.fail(at, f"there is no provider {text!r}", near)
                else:
                    found[key] = text
            return ProviderSettings(**found, span=entry.document.span(entry.at, entry.at + len("provider")))
        return ProviderSettings()

    def _outputs(self) -> dict[str, Output]:
        outputs: dict[str, Output] = {}
        for entry in self._items("outputs", "output", "output"):
            scope = Scope(self.world, entry.document)
            if type(entry.node) is not Map or "value" not in entry.node:
                scope.fail(
                    entry.node_at,
                    f"the output {entry.name} has no value",
                    f'Write {entry.name}: {{value: "{{{{ … }}}}"}}.',
                )
                continue
            fields: dict[str, Any] = {}
            for key, node in entry.node.items():
                at = entry.node.value_at(key)
                if key == "value":
                    fields["value"] = scope.tree(node, at)
                elif key == "sensitive":
                    fields["sensitive"] = bool(scope.shape(node, at, "sensitive", bool))
                elif key == "description":
                    fields["description"] = scope.shape(node, at, "description", str) or ""
                else:
                    unknown_key(scope, entry.node, key, "an output", _OUTPUT_FIELDS)
            if scope.broken:
                continue
            if is_sensitive(fields["value"]) and not fields.get("sensitive"):
                scope.fail(
                    entry.node.value_at("value"), f"the output {entry.name} is computed from a sensitive value",
                    "Add sensitive: true to the output, or leave the sensitive part out.",
                )  # fmt: skip
            span = entry.document.span(entry.at, entry.at + len(entry.name))
            outputs[entry.name] = Output(entry.name, references=tuple(scope.references), span=span, **fields)
        return outputs


def _sort_key(address: Address) -> tuple[Any, ...]:
    return address.sort_key
