"""Declared resources: one entry of ``tasks``, ``volumes`` or ``reservations`` and the instances it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang import meta
from flowplan.lang.build import parse_document
from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.mounts import translate
from flowplan.lang.naming import default_name, slugs
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.stack import Resource
from flowplan.lang.template import templates
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Span
from flowplan.values.value import Path, Reference

if TYPE_CHECKING:
    from flowplan.lang.world import World

META = frozenset(("for_each", "when", "depends_on", "lifecycle", "timeouts", "file"))
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
        self.label = f"{kind.value}.{name}"
        self.end = at + len(name)
        self.has_each = "for_each" in body
        self.running = self.prepared = False
        self.plain: Instance | None = None
        self._instances: dict[str | None, Instance] | None = None
        self._broken = False
        self.references: dict[Reference, None] = {}
        if not self.has_each and "when" not in body:
            self.plain = Instance(
                self, Address(kind, name), None, default_name(kind, world.stack_name, name), True
            )
            self._instances = {None: self.plain}

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
        base = Address(self.kind, self.name)
        stack = self.world.stack_name
        if not self.has_each:
            default = default_name(self.kind, stack, self.name)
            desired = self._desired(Scope(self.world, self.document, base))
            return None if desired is None else {None: Instance(self, base, None, default, desired)}
        items = self._items(Scope(self.world, self.document, base))
        if items is None:
            return None
        names = slugs(items)
        found: dict[str | None, Instance] = {}
        for key, value in items.items():
            address = Address(self.kind, self.name, key)
            desired = self._desired(Scope(self.world, self.document, address, (key, value)))
            if desired is None:
                return None
            default = default_name(self.kind, stack, self.name, names[key])
            found[key] = Instance(self, address, (key, value), default, desired)
        return found

    def _items(self, scope: Scope) -> dict[str, Any] | None:
        """Keys and values of ``for_each``, or None after a report."""
        at = self.body.value_at("for_each")
        value = scope.shape(self.body["for_each"], at, "for_each")
        self.references.update(scope.references)
        if scope.broken:
            return None
        if isinstance(value, dict):
            bad = [key for key in value if not isinstance(key, str)]
            if bad:
                scope.fail(
                    at, f"the keys of for_each must be texts, and {bad[0]!r} is not", "Put it in quotes."
                )
                return None
            return dict(value)
        if not isinstance(value, list):
            scope.fail(at, f"for_each takes a list of texts or a mapping, not {describe(value)}")
            return None
        items: dict[str, Any] = {}
        for index, item in enumerate(value):
            place = self.document.offset_of(("for_each", index), self.body)
            if not scope.settled(item, place, "a key of for_each"):
                return None
            if not isinstance(item, str):
                scope.fail(
                    place,
                    f"for_each takes a list of texts, and item {index + 1} is {describe(item)}",
                    "Put it in quotes, or use a mapping.",
                )
                return None
            if item in items:
                scope.fail(
                    place, f"for_each has {item!r} twice", "Each key makes one resource, so keys are unique."
                )
                return None
            items[item] = item
        return items

    def _desired(self, scope: Scope) -> bool | None:
        if "when" not in self.body:
            return True
        value = scope.shape(self.body["when"], self.body.value_at("when"), "when", bool)
        self.references.update(scope.references)
        return value if isinstance(value, bool) else None


class Instance:
    """One resource instance; its configuration is evaluated and checked once, when it is first asked for."""

    __slots__ = (
        "_base", "_config", "address", "declaration", "default_name", "depends_on", "desired", "each",
        "lifecycle", "ok", "references", "running", "settled", "timeouts",
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
        self._base: tuple[Document, Map] | None = None

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
        if "file" in node:
            body = {**self._from_file(scope), **body}
        if declaration.kind is Kind.TASK and "volumes" in body:
            body["volumes"] = translate(
                body["volumes"], world, lambda path, *words: scope.fail(self._offset(path), *words)
            )
        if declaration.kind is Kind.VOLUME and not {"name", "target"} & body.keys():
            # Its name at the provider starts with the stack's; where tasks find it need not.
            own = default_name(Kind.TASK, "", declaration.name, self.address.key or "")
            body.setdefault("mount_path", f"/volumes/{own}")
        config, problems = world.kinds[declaration.kind].normalise(body, self.default_name)
        for problem in problems:
            scope.broken = True
            # Why by its words: a problem has a path only, and a field that does not exist is wrong in its key
            span, snippet = self.locate(problem.path, " is not a field" in problem.message)
            world.findings.add_problem(problem.message, problem.suggestion, span, snippet, self.address)
        self._config = config
        self.lifecycle = meta.lifecycle(scope, node, world, declaration.kind)
        self.timeouts = meta.timeouts(scope, node)
        self.depends_on = meta.depends_on(scope, node, world)
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
        document, found = parse_document(path, text)
        self.declaration.world.findings.extend(found)
        if not isinstance(document.root, Map) or found:
            scope.broken = True
            if not found:
                scope.fail(at, f"{path!r} does not hold a mapping of fields")
            return {}
        self._base = (document, document.root)
        return _plain(document.root)  # type: ignore[no-any-return]

    def _offset(self, path: Path) -> int:
        node = self.declaration.body
        if not path or path[0] not in node:
            return self.declaration.at
        return self.document.offset_of(path, node)

    def locate(self, path: Path, key: bool = False) -> tuple[Span | None, str]:
        """Span and source line of the value at a path of the configuration; of its name where nothing is written.

        With ``key``, of the key that the path ends in.
        """
        declaration = self.declaration
        if path and path[0] in declaration.body:
            return declaration.document.span_of(path, declaration.body, key)
        if path and self._base is not None and path[0] in self._base[1]:
            return self._base[0].span_of(path, self._base[1], key)
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
            span,
            snippet,
            self.locate,
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
