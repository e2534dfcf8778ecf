"""What a stack's expressions can see: variables, locals and resources, each evaluated once, when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flowplan.lang.declaration import Declaration
from flowplan.lang.descent import descend, sensitive
from flowplan.lang.document import Document
from flowplan.lang.findings import Findings
from flowplan.lang.reader import Reader, inside
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.template import Program, program_of, templates
from flowplan.lang.words import ExpressionError, PathExpr, Slot
from flowplan.resources.attribute import ResourceKind
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.value import Reference, Unknown, is_sensitive

KindOf = Callable[[Kind], ResourceKind]
"""Where the declarations of kinds come from."""

_KINDS = {kind.value: kind for kind in Kind}
_NOTHING: Any = object()


class Local:
    """One entry of ``locals``."""

    __slots__ = (
        "at",
        "document",
        "end",
        "label",
        "node",
        "node_at",
        "prepared",
        "references",
        "running",
        "settled",
        "value",
        "world",
    )

    def __init__(self, world: World, name: str, document: Document, at: int, node: Any, node_at: int) -> None:
        self.world, self.document, self.at, self.node, self.node_at = world, document, at, node, node_at
        self.label = f"local.{name}"
        self.end = at + len(name)
        self.value: Any = _NOTHING
        self.references: tuple[Reference, ...] = ()
        self.prepared = self.running = self.settled = False

    def get(self) -> Any:
        """Its value.

        Raises:
            Silent: it is broken, which is reported.
            ExpressionError: it is asked for while it is being evaluated.
        """
        if not self.settled:
            with self.world.evaluating(self):
                scope = Scope(self.world, self.document)
                value = scope.tree(self.node, self.node_at)
                self.value = _NOTHING if scope.broken else value
                self.references = tuple(scope.references)
                self.settled = True
        if self.value is _NOTHING:
            raise Silent
        return self.value

    def texts(self) -> Iterable[str]:
        """Every text with an expression in it."""
        return templates(self.node)


class World:
    """The stack while it is being evaluated. ``opaque`` are the roots whose section cannot be read at all."""

    def __init__(self, findings: Findings, kinds: KindOf, reader: Reader) -> None:
        self.findings = findings
        self.kinds = {kind: kinds(kind) for kind in Kind}
        self.reader = reader
        self.variables: dict[str, Any] = {}
        self.broken_variables: set[str] = set()
        self.locals: dict[str, Local] = {}
        self.resources: dict[Kind, dict[str, Declaration]] = {kind: {} for kind in Kind}
        self.opaque: set[str] = set()
        self.stack_name = ""
        self._active: list[Local | Any] = []
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._files: dict[str, str] = {}

    # -- files ------------------------------------------------------------------------------------------

    def read(self, path: Any) -> str:
        """The text of a file in the stack's folder tree; read once.

        Raises:
            ExpressionError: it cannot be read, or lies elsewhere.
        """
        if not isinstance(path, str):
            raise ExpressionError("file() takes the path of a file, as a text")
        if path not in self._files:
            try:
                self._files[path] = self.reader.read_text(inside(path))
            except ValueError as error:
                raise ExpressionError(
                    str(error), "Only files in the stack's own folder tree can be read.", path
                ) from None
            except OSError as error:
                reason = error.strerror or str(error) or "it is not there"
                raise ExpressionError(f"the file {path!r} cannot be read: {reason}", "", path) from None
        return self._files[path]

    # -- names ------------------------------------------------------------------------------------------

    def value(
        self,
        path: PathExpr,
        root: str,
        parts: tuple[Any, ...],
        asking: Address | None,
        references: dict[Reference, None],
    ) -> Any:
        """What a path gives: a value, nested or not, `Unknown` or `Sensitive`, or undefined below a known name.

        Raises:
            ExpressionError: there is no such variable, local, resource, instance or attribute.
            Silent: it is broken, which is reported.
        """
        if root == "var":
            self._check_name(path, parts, "variable", self.variables.keys() | self.broken_variables)
            if parts[0] in self.broken_variables:
                raise Silent
            return descend(self.variables[parts[0]], parts[1:], path.text)
        if root == "local":
            self._check_name(path, parts, "local", self.locals)
            local = self.locals[parts[0]]
            value: Any = local.get()
            references.update(dict.fromkeys(local.references))
            return descend(value, parts[1:], path.text)
        declaration, key, rest = self._resource(path, parts)
        instance = declaration.instance(key, path.text)
        kind = self.kinds[declaration.kind]
        name = rest[0] if rest else kind.id_attribute
        attribute = kind.attributes.get(name) if isinstance(name, str) else None
        if attribute is None:
            raise self._no_attribute(path, declaration, name)
        reference = Reference(instance.address, attribute.name)
        references[reference] = None
        if attribute.computed:
            value = Unknown((reference,), path.text)
            if attribute.sensitive:
                value = sensitive(value)
        else:
            value = instance.config().get(attribute.name)
        return descend(value, rest[1:], path.text) if len(rest) > 1 else value

    def references(self, program: Program) -> tuple[Reference, ...]:
        """The attributes of resources that a program names outright, whatever it will evaluate to.

        Raises:
            ExpressionError: a name in it does not exist; all of them are in ``more``.
            Silent: something it names cannot be known, which is reported.
        """
        known = self._references.get(program.source)
        if known is not None:
            return known
        found: dict[Reference, None] = {}
        errors: list[ExpressionError] = []
        for path in program.paths:
            try:
                found.update(dict.fromkeys(self._static(path)))
            except ExpressionError as error:
                errors.append(error)
        if errors:
            first = errors[0]
            first.more = tuple(errors[1:])
            raise first
        done = self._references[program.source] = tuple(found)
        return done

    def _static(self, path: PathExpr) -> list[Reference]:
        parts = path.parts
        if path.root == "var":
            self._check_name(path, parts, "variable", self.variables.keys() | self.broken_variables)
        elif path.root == "local":
            self._check_name(path, parts, "local", self.locals)
        elif path.root in _KINDS:
            if parts and type(parts[0]) is Slot:
                return []
            declaration, key, rest = self._resource(path, parts)
            kind = self.kinds[declaration.kind]
            name = rest[0] if rest else kind.id_attribute
            if type(name) is Slot:
                return []
            if name not in kind.attributes:
                raise self._no_attribute(path, declaration, name)
            if type(key) is Slot:
                return []
            instance = (
                declaration.plain if declaration.plain is not None else declaration.instances().get(key)
            )
            if instance is not None and instance.desired:
                return [Reference(instance.address, str(name))]
        return []

    def any_instance(self, path: PathExpr) -> list[Reference]:
        """References to every instance that a path with a subscript known only later may mean."""
        if (
            not path.parts
            or type(path.parts[0]) is Slot
            or path.parts[0] not in self.resources[_KINDS[path.root]]
        ):
            return []
        declaration, _, rest = self._resource(path, path.parts)
        kind = self.kinds[declaration.kind]
        name = rest[0] if rest and isinstance(rest[0], str) else kind.id_attribute
        return [Reference(i.address, name) for i in declaration.instances().values() if i.desired]

    def any_sensitive(self, root: str) -> bool:
        """Whether anything under ``var`` or ``local`` is sensitive, as far as is known."""
        if root == "var":
            return any(is_sensitive(value) for value in self.variables.values())
        return root == "local" and any(
            not item.settled or is_sensitive(item.value) for item in self.locals.values()
        )

    def _check_name(self, path: PathExpr, parts: tuple[Any, ...], what: str, known: Iterable[str]) -> None:
        if path.root in self.opaque:
            raise Silent
        if not parts:
            raise ExpressionError(f"{path.root} alone is no value", f"Write {path.root}.NAME.", path.root)
        name = parts[0]
        if type(name) is Slot or (isinstance(name, str) and name in known):
            return
        names = sorted(known)
        listed = f"The {what}s are: {', '.join(names[:20])}." if names else f"Declare it under {what}s:."
        raise ExpressionError(
            f"there is no {what} {name!r}", did_you_mean(str(name), names) or listed, path.text
        )

    def _resource(self, path: PathExpr, parts: tuple[Any, ...]) -> tuple[Declaration, Any, tuple[Any, ...]]:
        """The declaration a path names, the key of its instance, and what follows."""
        kind = _KINDS[path.root]
        self._check_name(path, parts, kind.value, self.resources[kind])
        declaration = self.resources[kind].get(parts[0])
        if declaration is None:
            raise ExpressionError(f"there is no {kind.value} {parts[0]!r}", "", path.text)
        if not declaration.has_each:
            return declaration, None, parts[1:]
        attributes = self.kinds[kind].attributes
        keys = declaration.instances()
        if len(parts) < 2 or (parts[1] in attributes and parts[1] not in keys):
            listed = ", ".join(f'{kind.value}.{parts[0]}["{key}"]' for key in list(keys)[:8])
            raise ExpressionError(
                f"{kind.value}.{parts[0]} has for_each, so it is several resources",
                f"Choose one of them: {listed}." if listed else "Its for_each is empty.",
                path.text,
            )
        return declaration, parts[1], parts[2:]

    def _no_attribute(self, path: PathExpr, declaration: Declaration, name: Any) -> ExpressionError:
        names = list(self.kinds[declaration.kind].attributes)
        near = did_you_mean(str(name), names) or f"Its attributes are: {', '.join(names)}."
        return ExpressionError(
            f"{declaration.kind.value}.{declaration.name} has no attribute {name!r}", near, path.text
        )

    # -- order ------------------------------------------------------------------------------------------

    def evaluating(self, thing: Any) -> _Evaluating:
        """Mark ``thing`` as being evaluated while the context lasts.

        Raises:
            ExpressionError: it already is: a cycle, named with every step of it.
        """
        if thing.running:
            steps = [*self._active[self._active.index(thing) :], thing]
            chain = " → ".join(step.label for step in steps)
            if len(steps) == 2:
                raise ExpressionError(
                    f"{thing.label} refers to itself", "Use a variable or a local instead.", thing.label
                )
            places = "; ".join(
                f"{step.label} at {step.document.span(step.at, step.end)}" for step in steps[:-1]
            )
            raise ExpressionError(
                f"these refer to each other in a circle: {chain}",
                f"Break it at one of: {places}.",
                thing.label,
            )
        return _Evaluating(self._active, thing)

    def prepare(self, first: Any) -> None:
        """Evaluate what ``first`` refers to before it, so that a long chain of references needs no deep stack."""
        stack: list[tuple[Any, Any]] = []
        if first.prepared:
            return
        first.prepared = True
        stack.append((first, iter(self._needs(first))))
        while stack:
            thing, needs = stack[-1]
            for need in needs:
                if not need.prepared:
                    need.prepared = True
                    stack.append((need, iter(self._needs(need))))
                    break
            else:
                stack.pop()
                try:
                    thing.get()
                except (Silent, ExpressionError):
                    continue

    def _needs(self, thing: Any) -> list[Any]:
        needs: list[Any] = []
        for text in thing.texts():
            try:
                program = program_of(text)
            except ExpressionError:
                continue
            for path in program.paths:
                if path.root == "local" and path.parts:
                    need: Any = self.locals.get(path.parts[0])  # type: ignore[arg-type]
                elif path.root in _KINDS and path.parts:
                    need = self.resources[_KINDS[path.root]].get(path.parts[0])  # type: ignore[arg-type]
                    if need is not None and not need.has_each:
                        name = path.parts[1] if len(path.parts) > 1 else ""
                        found = self.kinds[need.kind].attributes.get(name)  # type: ignore[arg-type]
                        if need.kind is not Kind.VOLUME and (found is None or found.computed):
                            need = None
                else:
                    need = None
                if need is not None and not need.prepared:
                    needs.append(need)
        return needs


class _Evaluating:
    def __init__(self, active: list[Any], thing: Any) -> None:
        self._active, self._thing = active, thing

    def __enter__(self) -> None:
        self._thing.running = True
        self._active.append(self._thing)

    def __exit__(self, *_: object) -> None:
        self._thing.running = False
        self._active.pop()
