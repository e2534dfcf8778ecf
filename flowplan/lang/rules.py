"""A rule: an expression that must hold, and what is said where it does not. ``require`` and ``checks`` are made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.meta import unknown_key
from flowplan.lang.run import Run
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.template import is_template, program_of
from flowplan.lang.words import ExpressionError, PathExpr, Slot
from flowplan.values.address import Address
from flowplan.values.value import Sensitive, Unknown

if TYPE_CHECKING:
    from flowplan.lang.world import World

_HIDDEN = "(its message uses a sensitive value, which is not shown)"

Answer = Callable[[tuple[Any, ...], str], Any]
"""Gives the value at a path below a name that only rules know."""


class RuleScope(Scope):
    """A scope in which one more name is known: ``self`` or ``plan``."""

    def __init__(
        self,
        world: World,
        document: Document,
        root: str,
        answer: Answer,
        address: Address | None = None,
        each: tuple[str, Any] | None = None,
    ) -> None:
        super().__init__(world, document, address, each)
        self._root, self._answer = root, answer

    def _get(self, path: PathExpr, subscripts: tuple[Any, ...], run: Run) -> Any:
        if path.root != self._root:
            return super()._get(path, subscripts, run)
        parts = tuple(
            subscripts[part.number] if type(part) is Slot and subscripts else part for part in path.parts
        )
        return self._answer(parts, path.text)

    def tell(self, error: ExpressionError, at: int) -> None:
        """Report a mistake in the expression at an offset."""
        self._report(error, at)

    def check(self, text: str, at: int) -> None:
        """Report names in an expression that do not exist, without evaluating it."""
        try:
            self.world.references(program_of(text))
        except ExpressionError as error:
            self._report(error, at)
        except Silent:
            self.broken = True


class Rule:
    """An ``assert`` with its ``message``. ``at`` is where the assertion stands."""

    def __init__(self, document: Document, source: str, at: int, message: Any, message_at: int) -> None:
        self.document, self.source, self.at = document, source, at
        self.message, self.message_at = message, message_at

    def value(self, scope: Scope) -> Any:
        """What the assertion gives: true, false or an `Unknown`; None where it fails, which is reported in ``scope``."""
        held = scope.text(self.source, self.at)
        if scope.broken:
            return None
        held = held.reveal() if type(held) is Sensitive else held
        if type(held) is not Unknown and not isinstance(held, bool):
            scope.fail(self.at, f"assert must give true or false, and gives {describe(held)}")
            return None
        return held

    def words(self, scope: Scope, otherwise: str) -> str:
        """What is said where the assertion does not hold: one line, never a secret."""
        text: Any = self.message
        if isinstance(text, str) and is_template(text):
            text = scope.text(text, self.message_at)
            if scope.broken or type(text) is Unknown:
                text = otherwise
        if type(text) is Sensitive:
            return f"{otherwise} {_HIDDEN}"
        words = " ".join(str(text).split()) if text is not None else ""
        return words or otherwise


def read_rule(scope: RuleScope, node: Any, at: int, section: str, fields: tuple[str, ...]) -> Rule | None:
    """The rule in one row; None after a report. Its names are checked here, before it is evaluated."""
    example = f'Write it as in {section}: [{{assert: "{{{{ … }}}}", message: …}}].'
    if type(node) is not Map:
        scope.fail(at, f"a row of {section} is a mapping, not {describe(node)}", example)
        return None
    for key in node:
        if key not in fields:
            unknown_key(scope, node, key, f"a row of {section}", fields)
    rule = node.get("assert")
    if rule is None:
        scope.fail(at, f"a row of {section} needs assert", example)
        return None
    place = node.value_at("assert")
    if not isinstance(rule, str) or not is_template(rule):
        scope.fail(place, "assert takes an expression", 'Write it as assert: "{{ … }}".')
        return None
    message = node.get("message")
    message_at = node.value_at("message") if "message" in node else at
    if message is not None and not isinstance(message, str):
        scope.fail(message_at, f"message must be a text, not {describe(message)}", "Put it in quotes.")
        return None
    for text, text_at in ((rule, place), (message, message_at)):
        if isinstance(text, str) and is_template(text):
            scope.check(text, text_at)
    return None if scope.broken else Rule(scope.document, rule, place, message, message_at)
