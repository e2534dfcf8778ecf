"""Declared resources: one entry of ``tasks``, ``volumes`` or ``reservations`` and the instances it stands for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang import meta
from flowplan.lang.build import parse_document
from flowplan.lang.checks import requirements
from flowplan.lang.complaints import of_field
from flowplan.lang.defaults import META as DEFAULT_META
from flowplan.lang.defaults import known_only, merged
from flowplan.lang.dependencies import depends_on
from flowplan.lang.document import Document, Map
from flowplan.lang.entries import Origin, Requirement
from flowplan.lang.mounts import translate
from flowplan.lang.naming import default_name, slugs
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.shape import items_of, wanted
from flowplan.lang.shared import plain
from flowplan.lang.stack import Resource
from flowplan.lang.template import templates
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Address, Kind, plain_address
from flowplan.values.diagnostic import Span
from flowplan.values.value import Path, Reference, Sensitive, Unknown

if TYPE_CHECKING:
    from flowplan.lang.world import World

META = frozenset(("for_each", "when", "depends_on", "lifecycle", "timeouts", "require", "file"))
"""The fields of a declaration that are not fields of its model."""


class Declaration:
    """One declared resource, with or without ``for_each``."""

    def __init__(self, world: World, kind: Kind, name: str, document: Document, at: int, body: Map) -> None:
        self.world, self.kind, self.name, self.document, self.at, self.body = (
            world,
            kind,
            name,
            document,
            at,
            body,
        )
        self.label = f"{world.prefix}{kind.value}.{name}"
        self.end = at + len(name)
        self.has_each = "for_each" in body
        self.running = self.prepared = False
        self.plain: Instance | None = None
        self._instances: dict[str | None, Instance] | None = None
        self._broken = False
        self.references: dict[Reference, None] = {}
        if not self.has_each and "when" not in body:
            own = default_name(kind, world.stack_name, name, "", world.slugs)
            self.plain = Instance(self, self.address(), None, own, True)
            self._instances = {None: self.plain}

    def address(self, key: str | None = None) -> Address:
        """The address of an instance, or of the declaration itself."""
        if key is None and not self.world.module:
            return plain_address(self.kind, self.name)
        return Address(self.kind, self.name, key, self.world.module)

    def instances(self) -> Mapping[str | None, Instance]:
        """The instances by key, those included that ``when`` switches off.

        Raises:
            Silent: its shape is broken, which is reported.
            ExpressionError: its shape depends on itself.
        """
        if self._instances is None:
            if self._broken:
                raise Silent
            with self.world.evaluating(self):
                found = self._expand()
            if found is None:
                self._broken = True
                raise Silent
            self._instances = found
        return self._instances

    def instance(self, key: Any, text: str) -> Instance:
        """The desired instance with a key.

        Raises:
            ExpressionError: there is none; ``text`` is how it was asked for.
            Silent: its shape is broken.
        """
        if self.plain is not None:
            return self.plain
        instances = self.instances()
        found = instances.get(key) if isinstance(key, str) or key is None else None
        if found is None:
            keys = ", ".join(repr(key) for key in list(instances)[:20]) or "none, for_each is empty"
            raise ExpressionError(f"{self.label} has no instance {key!r}", f"Its keys are: {keys}.", text)
        if not found.desired:
            raise ExpressionError(
                f"{found.address} is switched off by its when",
                "Use it only where the same condition holds.",
                text,
            )
        return found

    def get(self) -> None:
        """Evaluate all its instances.

        Raises:
            Silent: its shape is broken.
        """
        for instance in self.instances().values():
            if instance.desired:
                try:
                    instance.config()
                except Silent:
                    continue

    def texts(self) -> Iterable[str]:
        """Every text with an expression in it."""
        return templates(self.body)

    def _expand(self) -> dict[str | None, Instance] | None:
        """The instances that ``for_each`` and ``when`` make, or None after a report."""
        base, stack, module = self.address(), self.world.stack_name, self.world.slugs
        if not self.has_each:
            default = default_name(self.kind, stack, self.name, "", module)
            desired = self._desired(Scope(self.world, self.document, base))
            return None if desired is None else {None: Instance(self, base, None, default, desired)}
        scope = Scope(self.world, self.document, base)
        items = items_of(scope, self.body)
        self.references.update(scope.references)
        if items is None:
            return None
        names = slugs(items)
        found: dict[str | None, Instance] = {}
        for key, value in items.items():
            address = self.address(key)
            desired = self._desired(Scope(self.world, self.document, address, (key, value)))
            if desired is None:
                return None
            default = default_name(self.kind, stack, self.name, names[key], module)
            found[key] = Instance(self, address, (key, value), default, desired)
        return found

    def _desired(self, scope: Scope) -> bool | None:
        holds = wanted(scope, self.body)
        self.references.update(scope.references)
        return holds


class Instance:
    """One resource instance; its configuration is evaluated and checked once, when it is first asked for."""

    __slots__ = (
        "_config", "_layers", "address", "declaration", "default_name", "depends_on", "desired", "each",
        "lifecycle", "ok", "references", "requirements", "running", "settled", "timeouts",
    )  # fmt: skip

    def __init__(
        self,
        declaration: Declaration,
        address: Address,
        each: tuple[str, Any] | None,
        default_name: str,
        desired: bool,
    ) -> None:
        self.declaration, self.address, self.each = declaration, address, each
        self.default_name, self.desired = default_name, desired
        self.running = self.settled = self.ok = False
        self.references: tuple[Reference, ...] = ()
        self._config: dict[str, Any] = {}
        self._layers: tuple[tuple[Document, Map], ...] = ()

    @property
    def label(self) -> str:
        """Its address, for messages."""
        return str(self.address)

    @property
    def document(self) -> Document:
        """Where it is declared."""
        return self.declaration.document

    @property
    def at(self) -> int:
        """The offset of its name."""
        return self.declaration.at

    @property
    def end(self) -> int:
        """The offset where its name ends."""
        return self.declaration.end

    def config(self) -> dict[str, Any]:
        """Every field of its model; values may be `Unknown` or `Sensitive`.

        Raises:
            Silent: it is broken, which is reported.
            ExpressionError: it is asked for while it is being evaluated.
        """
        if not self.settled:
            with self.declaration.world.evaluating(self):
                self.ok = self._evaluate()
                self.settled = True
        if not self.ok:
            raise Silent
        return self._config

    def _evaluate(self) -> bool:
        declaration = self.declaration
        world, node, document = declaration.world, declaration.body, declaration.document
        scope = Scope(world, document, self.address, self.each)
        body = scope.mapping(node, META)
        unread = "defaults" in world.opaque
        if "file" in node:
            given = self._from_file(scope)
            unread |= scope.broken and not given
            body = merged(given, body)
        lifecycle, timeouts = meta.NO_LIFECYCLE, meta.NO_TIMEOUTS
        for default in world.defaults.get(declaration.kind, ()):
            weak = Scope(world, default.document, self.address, self.each)
            fields = weak.mapping(default.node, DEFAULT_META)
            body = merged(known_only(fields, world.kinds[declaration.kind]), body)
            self._layers += ((default.document, default.node),)
            lifecycle = meta.lifecycle(weak, default.node, world, declaration.kind, lifecycle)
            timeouts = meta.timeouts(weak, default.node, timeouts)
            scope.broken |= weak.broken
            scope.references.update(weak.references)
        if declaration.kind is Kind.TASK and "volumes" in body:
            body["volumes"] = translate(
                body["volumes"], world, lambda path, *words: self._fail(scope, path, *words)
            )
        named = {"name", "target"} & body.keys() and type(body.get("name")) not in (Unknown, Sensitive)
        if declaration.kind is Kind.VOLUME and not named:
            # Its name at the provider starts with the stack's, or is not known yet; where tasks find it need not.
            own = default_name(Kind.TASK, "", declaration.name, self.address.key or "")
            body.setdefault("mount_path", f"/volumes/{own}")
        config, problems = world.kinds[declaration.kind].normalise(body, self.default_name)
        for problem in problems:
            scope.broken = True
            if unread and problem.message.endswith(" is required"):
                continue  # it may well stand where nothing could be read
            # Why by its words: a problem has a path only, and a field that does not exist is wrong in its key
            unknown = " is not a field" in problem.message
            span, snippet = self.locate(problem.path, unknown)
            problem = of_field(problem, world.kinds[declaration.kind], self.address, body)
            world.findings.add_problem(problem.message, problem.suggestion, span, snippet, self.address)
        computed = world.kinds[declaration.kind].computed
        itself = [r for r in scope.references if r.address == self.address and r.attribute in computed]
        if itself and not scope.broken:
            summary = f"{self.address} waits for itself: {itself[0].attribute} is known only when it exists"
            scope.fail(declaration.at, summary, "Leave it out of what its locals are made of.")
        self._config = config
        self.lifecycle = meta.lifecycle(scope, node, world, declaration.kind, lifecycle)
        self.timeouts = meta.timeouts(scope, node, timeouts)
        self.depends_on = (*world.inherited, *depends_on(scope, node, world))
        self.requirements: tuple[Requirement, ...] = ()
        if "require" in node and not scope.broken:
            self.requirements = requirements(self, scope, node, config)
        self.references = tuple({**declaration.references, **scope.references})
        return not scope.broken

    def _from_file(self, scope: Scope) -> dict[str, Any]:
        """The fields of a model's own file; its texts are taken as they are, without expressions."""
        at = self.declaration.body.value_at("file")
        path = scope.shape(self.declaration.body["file"], at, "file", str)
        if path is None:
            return {}
        try:
            text = self.declaration.world.read(path)
        except ExpressionError as error:
            scope.fail(at, error.message, error.suggestion)
            return {}
        document, found = parse_document(posixpath.join(self.declaration.world.folder, path), text)
        self.declaration.world.findings.extend(found)
        if not isinstance(document.root, Map) or found:
            scope.broken = True
            if not found:
                advice = "Write the fields there, one a line, such as instance_type: 8xh100."
                scope.fail(at, f"{path!r} does not hold a mapping of fields", advice)
            return {}
        self._layers += ((document, document.root),)
        return plain(document.root)  # type: ignore[no-any-return]

    def _fail(self, scope: Scope, path: Path, summary: str, suggestion: str = "") -> None:
        """Report a mistake in the value at a path of the configuration, wherever it is written."""
        scope.broken = True
        span, snippet = self.locate(path)
        scope.world.findings.add_problem(summary, suggestion, span, snippet, self.address)

    def locate(self, path: Path, key: bool = False) -> tuple[Span | None, str]:
        """Span and source line of the value at a path of the configuration; of its name where nothing is written.

        With ``key``, of the key that the path ends in.
        """
        declaration = self.declaration
        layers = ((declaration.document, declaration.body), *self._layers)
        # Why two rounds: a mapping may be written in several layers, each with some of its keys
        whole = (one for one in layers if len(layers) > 1 and _holds(one[1], path))
        part = (one for one in layers if path and path[0] in one[1])
        document, node = next(whole, None) or next(part, (None, None))
        if document is not None and node is not None:
            return document.span_of(path, node, key)
        return declaration.document.locate(declaration.at, declaration.end)

    def resource(self) -> Resource:
        """The finished resource; to be asked for only when nothing is broken."""
        declaration = self.declaration
        span, snippet = declaration.document.locate(declaration.at, declaration.end)
        return Resource(
            self.address,
            self._config,
            tuple(ref for ref in self.references if ref.address != self.address),
            self.depends_on,
            self.lifecycle,
            self.timeouts,
            self.requirements,
            span,
            snippet,
            self.locate,
            self.origins,
        )

    def written(self, path: Path) -> Any:
        """What is written at a path: in the declaration, or where that says nothing, in its file or the defaults."""
        from flowplan.lang.origins import written_at

        return written_at((self.declaration.body, *(node for _, node in self._layers)), path)

    def origins(self, path: Path) -> tuple[Origin, ...]:
        """What the value at a path is made of (`flowplan.lang.origins`)."""
        from flowplan.lang.origins import origins_of

        return origins_of(self, path)


def _holds(node: Any, path: Path) -> bool:
    """Whether a path leads all the way into a value of a document."""
    for part in path:
        inside = (
            part in node if isinstance(node, dict) else isinstance(node, list) and part in range(len(node))
        )
        if not inside:
            return False
        node = node[part]
    return bool(path)
