"""What a stack's expressions can see: variables, locals and resources, each evaluated once, when first asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import descend, sensitive
from flowplan.lang.functions.bounds import COMPILED
from flowplan.lang.lazy import Lazy, Local
from flowplan.lang.order import Order
from flowplan.lang.reader import Reader, inside
from flowplan.lang.scope import Silent
from flowplan.lang.template import Program, program_of
from flowplan.lang.words import ExpressionError, PathExpr, Slot
from flowplan.resources.attribute import Attribute
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.value import Reference, Unknown, is_sensitive

if TYPE_CHECKING:
    from flowplan.lang.declaration import Declaration
    from flowplan.lang.lookups import Data
    from flowplan.lang.modules import ModuleCall
    from flowplan.lang.outputs import OutputValue
    from flowplan.lang.sections import Entry, Sections
    from flowplan.lang.shared import Shared
    from flowplan.lang.stack import Dependency, VariableValue

_KINDS = {kind.value: kind for kind in Kind}
_ELSEWHERE = {
    "self": (
        "self is known only in a resource's require",
        "Write the resource's address, such as task.NAME.",
    ),
    "plan": ("plan is known only in checks", "Move it to checks:."),
}
_CODED = {"ids": "list", "money": "number"}


def type_of(attribute: Attribute) -> str:
    """The type of what the provider will give for an attribute, by how it is spelled on the wire."""
    return _CODED.get(attribute.wire.codec if attribute.wire is not None else "", "string")


class World:
    """The stack while it is being evaluated. ``opaque`` are the roots whose section cannot be read at all."""

    def __init__(
        self,
        shared: Shared,
        reader: Reader,
        folder: str = "",
        module: tuple[str, ...] = (),
        slugs: tuple[str, ...] = (),
    ) -> None:
        self.shared = shared
        self.findings, self.kinds, self.meter = shared.findings, shared.kinds, shared.meter
        self.reader, self.folder = reader, folder
        self.module, self.slugs = module, slugs
        self.prefix = "".join(f"module.{part}." for part in module)
        self.parent: World | None = None
        self.identity = ""
        self.sections: Sections | None = None
        self.variables: dict[str, Any] = {}
        self.given: Mapping[str, VariableValue] = {}
        self.broken_variables: set[str] = set()
        self.locals: dict[str, Local] = {}
        self.data: dict[str, Data] = {}
        self.resources: dict[Kind, dict[str, Declaration]] = {kind: {} for kind in Kind}
        self.modules: dict[str, ModuleCall] = {}
        self.outputs: dict[str, OutputValue] = {}
        self.defaults: dict[Kind, list[Entry]] = {}
        self.inherited: tuple[Dependency, ...] = ()
        self.opaque: set[str] = set()
        self.stack_name = ""
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._files: dict[str, str] = {}
        shared.worlds[module] = self

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
                advice = self._ours("Only files in the stack's own folder tree can be read.")
                raise ExpressionError(self._ours(str(error)), advice, path) from None
            except OSError as error:
                summary = (
                    f"the file {path!r} cannot be read: {error.strerror}" if error.strerror else str(error)
                )
                advice = self._ours("Write its path relative to the stack's folder.")
                raise ExpressionError(
                    self._ours(summary) or f"there is no file {path!r}", advice, path
                ) from None
        return self._files[path]

    def list_files(self, pattern: Any) -> list[str]:
        """The paths of the files in the stack's folder tree that fit a pattern, in order.

        Raises:
            ExpressionError: the pattern leads elsewhere, or fits too much.
        """
        if not isinstance(pattern, str):
            raise ExpressionError("glob() takes a pattern, as a text", "Write it as in glob('data/*.csv').")
        listing = getattr(self.reader, "list_files", None)
        try:
            return list(listing(pattern)) if listing is not None else []
        except (ValueError, OSError) as error:
            advice = self._ours("Only files in the stack's own folder tree can be listed.")
            summary = self._ours(getattr(error, "strerror", None) or str(error))
            raise ExpressionError(summary, advice, pattern) from None

    def _ours(self, text: str) -> str:
        """A text about the stack's folder, said of the module's where this is one."""
        return text.replace("the stack's", "the module's") if self.module else text

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
            given = self.variables[parts[0]]
            return (
                self._lazy(given, parts[1:], path, references)
                if isinstance(given, Lazy)
                else descend(given, parts[1:], path.text)
            )
        if root == "local":
            self._check_name(path, parts, "local", self.locals)
            return self._lazy(self.locals[parts[0]], parts[1:], path, references)
        if root == "data":
            self._check_name(path, parts, "lookup", self.data)
            return self.data[parts[0]].part(parts[1:], path.text)
        if root == "module":
            self._check_name(path, parts, "module", self.modules)
            output, rest = self.modules[parts[0]].output(parts[1:], path.text)
            return self._lazy(output, rest, path, references)
        if root in _ELSEWHERE:
            raise ExpressionError(*_ELSEWHERE[root], path.text)
        declaration, key, rest = self._resource(path, parts)
        instance = declaration.instance(key, path.text)
        kind = self.kinds[declaration.kind]
        name = rest[0] if rest else kind.id_attribute
        attribute = kind.attributes.get(name) if isinstance(name, str) else None
        if attribute is None:
            raise self._no_attribute(path, declaration, name)
        if attribute.computed and instance.address == asking:
            raise ExpressionError(
                f"{asking} waits for itself: {attribute.name} is known only when it exists",
                "Leave it out, or use it in another resource.",
                path.text,
            )
        reference = Reference(instance.address, attribute.name)
        references[reference] = None
        if attribute.computed:
            value: Any = Unknown((reference,), path.text, type=type_of(attribute))
            if attribute.sensitive:
                value = sensitive(value)
        else:
            value = instance.config().get(attribute.name)
        return descend(value, rest[1:], path.text) if len(rest) > 1 else value

    def _lazy(
        self, thing: Lazy, rest: tuple[Any, ...], path: PathExpr, references: dict[Reference, None]
    ) -> Any:
        value = thing.give()
        references.update(dict.fromkeys(thing.references))
        return descend(value, rest, path.text)

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
        elif path.root == "data":
            self._check_name(path, parts, "lookup", self.data)
        elif path.root == "module":
            self._check_name(path, parts, "module", self.modules)
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
        name: Any = path.parts[0] if path.parts else None
        if type(name) is Slot:
            return []
        if path.root == "module" and name in self.modules:
            return self.modules[name].any_output()
        if path.root not in _KINDS or name not in self.resources[_KINDS[path.root]]:
            return []
        declaration, _, rest = self._resource(path, path.parts)
        kind = self.kinds[declaration.kind]
        name = rest[0] if rest and isinstance(rest[0], str) else kind.id_attribute
        return [Reference(i.address, name) for i in declaration.instances().values() if i.desired]

    def any_sensitive(self, root: str) -> bool:
        """Whether anything under ``var`` or ``local`` is sensitive, as far as is known."""
        named: Mapping[str, Any] = {"var": self.variables, "local": self.locals}.get(root, {})
        return any(
            (not item.settled or is_sensitive(item.value)) if isinstance(item, Lazy) else is_sensitive(item)
            for item in named.values()
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
        kind = self.kinds[declaration.kind]
        if len(path.parts) > 1 and f"[{name!r}]" in path.text and name not in kind.attributes:
            summary = f"{declaration.label} has no for_each, so there is no instance {name!r} of it"
            return ExpressionError(summary, "Leave the key out.", path.text)
        names = list(kind.attributes)
        known = (
            f"Its attributes are: {', '.join(names)}."
            if len(names) <= 12
            else (f"Beside its fields it has: {', '.join(kind.computed)}.")
        )
        near = did_you_mean(str(name), names) or known
        return ExpressionError(
            f"{declaration.kind.value}.{declaration.name} has no attribute {name!r}", near, path.text
        )

    # -- order ------------------------------------------------------------------------------------------

    @property
    def order(self) -> Order:
        """What is evaluated before what."""
        return self.shared.order

    def evaluating(self, thing: Any) -> Any:
        """See `Order.evaluating`."""
        return self.shared.order.evaluating(thing)

    def things(self) -> Iterator[Any]:
        """Everything that is to be evaluated here, modules included."""
        yield from (item for item in self.variables.values() if isinstance(item, Lazy))
        yield from self.locals.values()
        yield from self.data.values()
        for kind in Kind:
            yield from self.resources[kind].values()
        yield from self.modules.values()
        yield from self.outputs.values()

    @property
    def root(self) -> World:
        """The stack's own world."""
        return self.shared.worlds[()]

    def find(self, address: Address) -> Declaration | None:
        """What declares the resource at an address, in whatever module."""
        world = self.shared.worlds.get(address.module)
        return world.resources[address.kind].get(address.name) if world is not None else None

    def needs(self, thing: Any) -> list[Any]:
        """What the texts of ``thing`` refer to, as far as it is not evaluated and must be before it."""
        needs: list[Any] = []
        for text in thing.texts():
            try:
                program = program_of(text)
            except ExpressionError:
                continue
            if program.run is not None:
                self.meter.left -= COMPILED
                if self.meter.left < 0:
                    break
            for path in program.paths:
                need = self._need(path)
                if need is not None and not need.prepared:
                    needs.append(need)
        return needs

    def _need(self, path: PathExpr) -> Any:
        name: Any = path.parts[0] if path.parts else None
        if path.root in _KINDS:
            need = self.resources[_KINDS[path.root]].get(name)
            if need is not None and not need.has_each:
                attribute: Any = path.parts[1] if len(path.parts) > 1 else ""
                found = self.kinds[need.kind].attributes.get(attribute)
                if need.kind is not Kind.VOLUME and (found is None or found.computed):
                    return None
            return need
        if path.root == "module" and name in self.modules:
            return self.modules[name].need(path.parts[1:])
        named: Mapping[str, Any] = {"var": self.variables, "local": self.locals, "data": self.data}.get(
            path.root, {}
        )
        need = named.get(name)
        return need if isinstance(need, Lazy) else None
