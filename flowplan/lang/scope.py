"""Evaluates texts in a scope: references recorded, unknowns carried, taint followed, every failure a diagnostic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flowplan.lang.answers import Answers, answers_of
from flowplan.lang.descent import descend, describe, is_undefined, reason, words
from flowplan.lang.document import Document, Map, Seq
from flowplan.lang.functions.bounds import PIECE, TooLarge, size_of
from flowplan.lang.pointing import meant, spot
from flowplan.lang.run import Pending, Run, Silent
from flowplan.lang.template import Program, is_template, program_of
from flowplan.lang.words import ExpressionError, PathExpr, Slot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.strict import show
from flowplan.values.value import Lookup, NotYetKnown, Reference, Sensitive, Unknown

if TYPE_CHECKING:
    from flowplan.lang.world import World

_HIDDEN = "this expression cannot be evaluated; the reason is not shown, because it uses a sensitive value"
_DEEPEST_FILE = 8
_FOR_EACH = 2000
"""The steps that one instance of a ``for_each`` counts as."""
_MOST_MISTAKES = 1000
"""Where so many mistakes are found, further expressions are not evaluated."""
_SHAPES: dict[Any, tuple[str, str]] = {
    str: ("a text", "Put it in quotes."), bool: ("true or false", "Write true or false, without quotes."),
    int: ("a whole number", "Write a whole number, without quotes or a unit."),
}  # fmt: skip
"""The types that decide the shape of the stack, in words, and how a value of one is written."""
__all__ = ["Scope", "Silent"]


class Scope:
    """Where expressions of one declaration are evaluated: the stack's world, and ``each`` where there is one.

    Then ``references`` holds every attribute of others that was asked for; ``broken``: something failed, and is reported.
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
        if kind is Unknown:
            self.broken = True  # the text of it cannot be read, which is reported
        return node

    def mapping(self, node: Map, without: Iterable[str] = ()) -> dict[str, Any]:
        """A mapping of the document, evaluated, except the keys in ``without``."""
        result: dict[str, Any] = {}
        position = -2
        marks = node.marks
        self.world.meter.left -= len(node)
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
            self._allow()
            return self.evaluate(program_of(text), at)
        except ExpressionError as error:
            self._report(error, at)
        except Silent:
            self.broken = True
        return Unknown((), text)

    def shape(
        self,
        node: Any,
        at: int,
        what: str,
        kind: type | tuple[type, ...] | None = None,
        lookups: bool = True,
    ) -> Any:
        """A value that decides the shape of the stack: known and not sensitive, or None after a report.

        Without ``lookups`` it must not wait for one: it is needed to carry them out.
        """
        before = self.broken
        self.broken = False
        value = self.tree(node, at)
        failed, self.broken = self.broken, before or self.broken
        if failed or not self.settled(value, at, what, lookups):
            return None
        if what == "for_each" and isinstance(value, (list, dict)):
            self.world.meter.left -= len(value) * _FOR_EACH
            if self.world.meter.left < 0:
                self.fail(at, "this stack has too many instances", "Split it into several stacks.")
                return None
        if kind is not None and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            word, advice = _SHAPES.get(kind, ("another type", ""))
            if isinstance(node, str) and is_template(node):
                made = {str: "Write {{ … | string }}.", bool: "Compare it with something: {{ … == 1 }}."}
                advice = made.get(kind, "")  # type: ignore[arg-type]
            plain = isinstance(value, (str, int, float, bool))
            told = show(value) if plain else describe(value)
            self.fail(at, f"{what} must be {word}, not {told}", advice if plain else "")
            return None
        return value

    def settled(self, value: Any, at: int, what: str, lookups: bool = True) -> bool:
        """Whether a value may decide the shape of the stack; reported where it may not."""
        if type(value) is Sensitive or (type(value) is Unknown and value.sensitive and not value.references):
            self.fail(at, f"{what} would show a sensitive value", "Use a value that is not sensitive.")
            return False
        if type(value) is Unknown and self.world.shared.waits_for_lookup(value):
            if not lookups:
                why = f"{what} cannot depend on a lookup: lookups are carried out with it"
                self.fail(at, why, "Use a variable.")
            else:
                self.broken = True
                self.world.shared.leave_open(self.document, at, what, self.address)
            return False
        if type(value) is Unknown:
            waits = ", ".join(str(ref) for ref in value.references) or "another resource"
            self.fail(
                at,
                f"{what} must be known when the plan is made, and this is known only after apply",
                f"It waits for {waits}; use a variable, a local or a configured attribute instead.",
            )
            return False
        return True

    # -- evaluation -------------------------------------------------------------------------------------

    def evaluate(self, program: Program, at: int) -> Any:
        """The value of the program of a text that stands at an offset: plain, `Unknown` or `Sensitive`.

        Raises:
            ExpressionError: it cannot be evaluated.
            Silent: it uses something broken.
        """
        for reference in self.world.references(program):
            self.references[reference] = None
        run = Run(None, self.world.meter)
        if program.path is not None:
            value = self._get(program.path, (), run)
            self.references.update(run.references)
            if is_undefined(value):
                raise ExpressionError(reason(value), needle=program.path.text)
            if type(value) in (dict, list):
                self.world.meter.left -= len(value)  # Why: everyone who reads it looks at all of it
            return value
        try:
            value = self._run(program, run)
        except Pending:
            self._probe(program, run, set())
            needs, tainted = tuple(run.met.values()), run.sensitive
            value = Unknown(
                tuple(run.waits),
                program.source.strip(),
                evaluate=lambda lookup: self._later(program, at, lookup, tainted, needs),
                sensitive=tainted,
                type="" if program.typed else "string",
                needs=needs,
            )
        else:
            if type(value) is str:
                self.world.meter.left -= len(value)  # Why: it is kept
            if run.sensitive:
                value = Sensitive(value)
        finally:
            run.meter.close()
        self.references.update(run.references)
        return value

    def _run(self, program: Program, run: Run) -> Any:
        try:
            if program.pieces:
                return self._joined(program, run)
            assert program.run is not None

            def resolve(number: int, *subscripts: Any) -> Any:
                run.seen.add(number)
                return run.bare(self._get(program.paths[number], subscripts, run))

            from flowplan.lang.file_functions import file_functions

            return program.run(resolve, file_functions(self.world, run, self._filled))
        except (Pending, Silent, NotYetKnown, FlowplanError):
            raise
        except ExpressionError as error:
            if run.sensitive:
                raise self._placed(ExpressionError(_HIDDEN), program, error) from None
            raise (error if error.needle else self._placed(error, program, error)) from None
        except Exception as error:
            # Why so wide: an expression may fail in any way a Python operation can, and each is the user's.
            failed = ExpressionError(_HIDDEN if run.sensitive else words(error))
            raise self._placed(failed, program, error) from None

    def _placed(self, failed: ExpressionError, program: Program, cause: Exception) -> ExpressionError:
        if program.run is not None:
            failed.needle, failed.times = program.place(cause)
        return failed

    def _joined(self, program: Program, run: Run) -> str:
        from flowplan.lang.functions import as_text

        texts: list[str] = []
        pending = False
        for piece in program.pieces:
            if type(piece) is str:
                texts.append(piece)
                continue
            assert type(piece) is PathExpr
            value = self._get(piece, (), run)
            if is_undefined(value):
                raise ExpressionError(reason(value), needle=piece.text)
            if type(value) is Unknown and value.type in ("list", "map"):
                message = f"a {value.type} cannot stand inside a text. Write {{{{ … | tojson }}}}, or choose what to show."
                raise ExpressionError(message, needle=piece.text)
            try:
                value = run.bare(value)
            except Pending:
                pending = True
                continue
            try:
                texts.append(as_text(value))
            except TypeError as error:
                raise ExpressionError(str(error), needle=piece.text) from None
        if pending:
            raise Pending
        run.meter.spend(size_of(texts, PIECE))
        return "".join(texts)

    def _filled(self, path: str, text: str, run: Run) -> Any:
        """The text of a file with its expressions evaluated."""
        if not is_template(text):
            return text
        if len(run.files) >= _DEEPEST_FILE:
            raise ExpressionError(f"template_file is nested more than {_DEEPEST_FILE} deep at {path!r}")
        run.files.append(path)
        program = program_of(text)
        for reference in self.world.references(program):
            run.references[reference] = None
        if program.path is None:
            value = self._run(program, run)
        else:
            value = run.bare(self._get(program.path, (), run))
        run.files.pop()
        return value

    def _get(self, path: PathExpr, subscripts: tuple[Any, ...], run: Run) -> Any:
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
                raise ExpressionError(
                    "value is known only in a variable's validate", "Write var.NAME.", path.text
                )
            return descend(self.value[0], parts, path.text)
        return self.world.value(path, root, parts, self.address, run.references)

    def _probe(self, program: Program, run: Run, probed: set[str]) -> None:
        """After an evaluation met something unknown: what else it waits for, and whether it is tainted."""
        for name in program.files:
            if name in probed or len(probed) > _MOST_MISTAKES:
                continue
            probed.add(name)
            try:
                self._probe(program_of(self.world.read(name)), run, probed)
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
                run.bare(self._get(path, (), run))
            except (Pending, ExpressionError, Silent, TooLarge):
                continue

    def _later(
        self, program: Program, at: int, lookup: Lookup, tainted: bool, needs: tuple[Unknown, ...]
    ) -> Any:
        """The value of a program once references can be answered."""
        answers: Answers = answers_of(lookup)
        answers.settle(needs)
        run = Run(answers, answers.meter)
        try:
            value = self._run(program, run)
            if not run.meter.close():
                raise ExpressionError("what it is computed from takes too many steps")
        except (ExpressionError, Silent) as error:
            known = error if isinstance(error, ExpressionError) else ExpressionError(_HIDDEN)
            span, snippet = self.document.locate(*spot(self.document, known, at))
            message, advice = (_HIDDEN, "") if tainted else (known.message, known.suggestion)
            told = Diagnostic.error(
                message, span=span, snippet=snippet, address=self.address, suggestion=advice
            )
            raise FlowplanError(told) from None
        return Sensitive(value) if run.sensitive or tainted else value

    def _allow(self) -> None:
        """Whether the stack may evaluate one more expression.

        Raises:
            ExpressionError: its expressions have taken too many steps; said once.
            Silent: that is said, or so many mistakes are found that more would help no one.
        """
        meter, findings = self.world.meter, self.world.findings
        if meter.left < 0:
            if not meter.told:
                meter.told = True
                raise ExpressionError(
                    "the expressions of this stack take too many steps altogether",
                    "Split the stack, or compute the values outside.",
                )
            raise Silent
        if findings.count > _MOST_MISTAKES:
            raise Silent

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
        suggestion = meant(self.world, error.message, self.value is not None) or error.suggestion
        start, end = spot(self.document, error, at)
        self.world.findings.at(self.document, start, error.message, suggestion, end=end, address=self.address)
