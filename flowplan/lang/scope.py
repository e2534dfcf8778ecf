"""Evaluates texts in a scope: references recorded, unknowns carried, taint followed, every failure a diagnostic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from jinja2.runtime import Undefined

from flowplan.lang.descent import descend, describe, reason, words
from flowplan.lang.document import Document, Map, Seq
from flowplan.lang.functions import as_text, size_of
from flowplan.lang.template import Program, is_template, program_of
from flowplan.lang.words import ExpressionError, PathExpr, Slot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Lookup, NotYetKnown, Reference, Sensitive, Unknown

if TYPE_CHECKING:
    from flowplan.lang.world import World

_HIDDEN = "this expression cannot be evaluated; the reason is not shown, because it uses a sensitive value"
_DEEPEST_FILE = 8


class Silent(Exception):
    """What is asked for is broken, and that has been reported where it is broken."""


class _Pending(Exception):
    """Evaluation met a value that is not known yet."""


class _Run:
    """One evaluation: how references are answered, and what it came across."""

    __slots__ = ("depth", "lookup", "references", "seen", "sensitive", "waits")

    def __init__(self, lookup: Lookup | None) -> None:
        self.lookup = lookup
        self.sensitive = False
        self.waits: dict[Reference, None] = {}
        self.references: dict[Reference, None] = {}
        self.seen: set[int] = set()
        self.depth = 0


class Scope:
    """Where expressions of one declaration are evaluated: the stack's world, and ``each`` where there is one.

    After use, ``references`` holds every attribute of another resource that was asked for, and ``broken``
    says whether anything failed (it is reported already).
    """

    def __init__(
        self,
        world: World,
        document: Document,
        address: Address | None = None,
        each: tuple[str, Any] | None = None,
        value: tuple[Any] | None = None,
    ) -> None:
        self.world = world
        self.document = document
        self.address = address
        self.each = each
        self.value = value
        self.references: dict[Reference, None] = {}
        self.broken = False

    # -- values of the document -------------------------------------------------------------------------

    def tree(self, node: Any, at: int) -> Any:
        """A value of the document with its expressions evaluated; what fails becomes an unknown, and is reported."""
        kind = type(node)
        if kind is str:
            return self.text(node, at) if "{" in node and is_template(node) else node
        if kind is Map:
            return self.mapping(node)
        if kind is Seq:
            return [self.tree(item, mark) for item, mark in zip(node, node.marks, strict=True)]
        return node

    def mapping(self, node: Map, without: Iterable[str] = ()) -> dict[str, Any]:
        """A mapping of the document, evaluated, except the keys in ``without``."""
        result: dict[str, Any] = {}
        position = -2
        marks = node.marks
        for key, value in node.items():
            position += 2
            if key in without:
                continue
            if type(key) is not str:
                self.fail(marks[position], f"the key {key!r} is not a text", "Put it in quotes.")
                continue
            if "{" in key and is_template(key):
                name = self.shape(key, marks[position], "a key", str)
                if name is None:
                    continue
                if name in result:
                    self.fail(marks[position], f"the key {name!r} stands twice in one mapping")
                    continue
                key = name
            if type(value) is str:
                if "{" in value and is_template(value):
                    value = self.text(value, marks[position + 1])
            elif value is not None:
                value = self.tree(value, marks[position + 1])
            result[key] = value
        return result

    def text(self, text: str, at: int) -> Any:
        """The value of one text that holds an expression."""
        try:
            return self.evaluate(program_of(text))
        except ExpressionError as error:
            self._report(error, at)
        except Silent:
            self.broken = True
        return Unknown((), text)

    def shape(self, node: Any, at: int, what: str, kind: type | tuple[type, ...] | None = None) -> Any:
        """A value that decides the shape of the stack: known and not sensitive, or None after a report."""
        before = self.broken
        self.broken = False
        value = self.tree(node, at)
        failed, self.broken = self.broken, before or self.broken
        if failed:
            return None
        if not self.settled(value, at, what):
            return None
        if kind is not None and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            names = {str: "a text", bool: "true or false", int: "a whole number"}
            self.fail(at, f"{what} must be {names.get(kind, 'another type')}, not {describe(value)}")  # type: ignore[arg-type]
            return None
        return value

    def settled(self, value: Any, at: int, what: str) -> bool:
        """Whether a value may decide the shape of the stack; reported where it may not."""
        if type(value) is Unknown:
            waits = ", ".join(str(ref) for ref in value.references) or "another resource"
            self.fail(
                at,
                f"{what} must be known when the plan is made, and this is known only after apply",
                f"It waits for {waits}; use a variable, a local or a configured attribute instead.",
            )
            return False
        if type(value) is Sensitive:
            self.fail(at, f"{what} would show a sensitive value", "Use a value that is not sensitive.")
            return False
        return True

    # -- evaluation -------------------------------------------------------------------------------------

    def evaluate(self, program: Program) -> Any:
        """The value of a program: plain, `Unknown` or `Sensitive`.

        Raises:
            ExpressionError: it cannot be evaluated.
            Silent: it uses something broken.
        """
        for reference in self.world.references(program):
            self.references[reference] = None
        run = _Run(None)
        if program.path is not None:
            value = self._get(program.path, (), run)
            self.references.update(run.references)
            if isinstance(value, Undefined):
                raise ExpressionError(reason(value), needle=program.path.text)
            return value
        try:
            value = self._run(program, run)
        except _Pending:
            self._probe(program, run)
            value = Unknown(
                tuple(run.waits),
                program.source.strip(),
                evaluate=lambda lookup: self._later(program, lookup, tainted),
                sensitive=run.sensitive,
            )
            tainted = run.sensitive
        else:
            if run.sensitive:
                value = Sensitive(value)
        self.references.update(run.references)
        return value

    def _run(self, program: Program, run: _Run) -> Any:
        try:
            if program.pieces:
                return self._joined(program, run)
            assert program.run is not None

            def resolve(number: int, *subscripts: Any) -> Any:
                run.seen.add(number)
                return self._bare(self._get(program.paths[number], subscripts, run), run)

            return program.run(resolve, self._functions(run))
        except (_Pending, Silent, NotYetKnown, FlowplanError):
            raise
        except ExpressionError as error:
            raise (ExpressionError(_HIDDEN) if run.sensitive else error) from None
        except Exception as error:
            # Why so wide: an expression may fail in any way a Python operation can, and each is the user's.
            raise ExpressionError(_HIDDEN if run.sensitive else words(error)) from None

    def _joined(self, program: Program, run: _Run) -> str:
        texts: list[str] = []
        pending = False
        for piece in program.pieces:
            if type(piece) is str:
                texts.append(piece)
                continue
            assert type(piece) is PathExpr
            value = self._get(piece, (), run)
            if isinstance(value, Undefined):
                raise ExpressionError(reason(value), needle=piece.text)
            try:
                value = self._bare(value, run)
            except _Pending:
                pending = True
                continue
            try:
                texts.append(as_text(value))
            except TypeError as error:
                raise ExpressionError(str(error), needle=piece.text) from None
        if pending:
            raise _Pending
        size_of(texts)
        return "".join(texts)

    def _functions(self, run: _Run) -> dict[str, Callable[..., Any]]:
        def file(path: str) -> str:
            return self.world.read(path)

        def template_file(path: str) -> str:
            text = self.world.read(path)
            if not is_template(text):
                return text
            if run.depth >= _DEEPEST_FILE:
                raise ExpressionError(f"template_file is nested more than {_DEEPEST_FILE} deep at {path!r}")
            run.depth += 1
            program = program_of(text)
            for reference in self.world.references(program):
                run.references[reference] = None
            value = (
                self._run(program, run)
                if program.path is None
                else self._bare(self._get(program.path, (), run), run)
            )
            run.depth -= 1
            return as_text(value)

        return {"file": file, "template_file": template_file}

    def _get(self, path: PathExpr, subscripts: tuple[Any, ...], run: _Run) -> Any:
        """The value at a path: plain or nested, unknown, sensitive, or undefined."""
        parts: tuple[Any, ...] = path.parts
        if subscripts:
            parts = tuple(subscripts[part.number] if type(part) is Slot else part for part in parts)
        root = path.root
        if root == "each":
            if self.each is None:
                raise ExpressionError(
                    "each is known only in a resource with for_each", "Add for_each.", path.text
                )
            if not parts or parts[0] not in ("key", "value"):
                raise ExpressionError(
                    "each has only key and value", "Write each.key or each.value.", path.text
                )
            return descend(self.each[0 if parts[0] == "key" else 1], parts[1:], path.text)
        if root == "value":
            if self.value is None:
                raise ExpressionError("value is known only in a variable's validate", "", path.text)
            return descend(self.value[0], parts, path.text)
        return self.world.value(path, root, parts, self.address, run.references)

    def _bare(self, value: Any, run: _Run) -> Any:
        """A value as an operator or filter may see it: revealed (and then the run is tainted) and known."""
        kind = type(value)
        if kind is str or kind is int:
            return value
        if kind is Sensitive:
            run.sensitive = True
            return self._bare(value.reveal(), run)
        if kind is Unknown:
            if value.sensitive:
                run.sensitive = True
            if run.lookup is None:
                run.waits.update(dict.fromkeys(value.references))
                raise _Pending
            return self._bare(value.resolve(run.lookup), run)
        if kind is dict:
            return {key: self._bare(item, run) for key, item in value.items()}
        if kind is list or kind is tuple:
            return [self._bare(item, run) for item in value]
        return value

    def _probe(self, program: Program, run: _Run) -> None:
        """After an evaluation met something unknown: what else it waits for, and whether it is tainted."""
        for name in program.files:
            try:
                self._probe(program_of(self.world.read(name)), run)
            except ExpressionError:
                continue
        for number, path in enumerate(program.paths):
            if path.is_dynamic:
                if path.root not in ("var", "local", "each", "value"):
                    if program.loops or number not in run.seen:
                        run.references.update(dict.fromkeys(self.world.any_instance(path)))
                    continue
                path = PathExpr(
                    path.root,
                    path.parts[: next(i for i, p in enumerate(path.parts) if type(p) is Slot)],
                    path.text,
                )
                if not path.parts:
                    run.sensitive = run.sensitive or self.world.any_sensitive(path.root)
                    continue
            try:
                self._bare(self._get(path, (), run), run)
            except (_Pending, ExpressionError, Silent):
                continue

    def _later(self, program: Program, lookup: Lookup, tainted: bool) -> Any:
        """The value of a program once references can be answered."""
        run = _Run(lookup)
        try:
            value = self._run(program, run)
        except (ExpressionError, Silent) as error:
            message = error.message if isinstance(error, ExpressionError) and not tainted else _HIDDEN
            raise FlowplanError(Diagnostic.error(message, address=self.address)) from None
        return Sensitive(value) if run.sensitive or tainted else value

    # -- reports ----------------------------------------------------------------------------------------

    def fail(self, at: int, summary: str, suggestion: str = "") -> None:
        """Report an error at an offset of the document; the declaration is broken then."""
        self.broken = True
        self.world.findings.at(self.document, at, summary, suggestion, address=self.address)

    def _report(self, error: ExpressionError, at: int) -> None:
        """Report an error at the part of the text it is about, else at the whole value."""
        self.broken = True
        for other in error.more:
            self._report(other, at)
        start: int = at
        end: int | None = None
        if error.needle:
            node_end = self.document.end_of(at)
            found = re.compile(rf"(?<![\w.]){re.escape(error.needle)}(?!\w)")
            text, opened = self.document.text, self.document.text.find("{", at, node_end)
            match = found.search(text, max(at, opened), max(at, node_end))
            start, end = match.span() if match is not None else (at, None)
        self.world.findings.at(
            self.document, start, error.message, error.suggestion, end=end, address=self.address
        )
