"""Diagnostics: every problem flowplan can name, as a value that points at its cause.

Functions that can find a user's mistakes return what they could build together with the diagnostics
they found; only the edge decides to stop (house rule 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from functools import lru_cache

from attrs import evolve, field

from flowplan.values.address import Address
from flowplan.values.classes import frozen


class Severity(Enum):
    """How bad a diagnostic is: an error stops the command before anything is changed."""

    ERROR = "error"
    WARNING = "warning"


@frozen
class Span:
    """A place in a source text: lines and columns count from 1, the end is exclusive.

    ``source`` is the name of the text as the user knows it: a path, or words such as ``--var nodes``.
    """

    source: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@frozen
class Diagnostic:
    """One problem: what is wrong (``summary``), more of it (``detail``), and what would be right (``suggestion``).

    ``snippet`` is the source line that ``span`` starts on, kept so that a report needs no file access. ``more`` is how
    many further ones, of its severity, one stands for that says only that they were not kept.
    """

    severity: Severity
    summary: str
    detail: str = ""
    span: Span | None = None
    address: Address | None = None
    suggestion: str = ""
    snippet: str = ""
    more: int = 0

    @classmethod
    def error(cls, summary: str, detail: str = "", **more: object) -> Diagnostic:
        """An error; the keyword arguments are the fields of the class."""
        return cls(Severity.ERROR, summary, detail, **more)  # type: ignore[arg-type]

    @classmethod
    def warning(cls, summary: str, detail: str = "", **more: object) -> Diagnostic:
        """A warning; the keyword arguments are the fields of the class."""
        return cls(Severity.WARNING, summary, detail, **more)  # type: ignore[arg-type]

    @property
    def is_error(self) -> bool:
        """Whether this stops the command."""
        return self.severity is Severity.ERROR

    def at(self, span: Span | None, snippet: str = "") -> Diagnostic:
        """The same diagnostic, pointing at ``span``."""
        return evolve(self, span=span, snippet=snippet or self.snippet)


@frozen(eq=False)
class Diagnostics:
    """A collector of diagnostics, in the order they were found."""

    _found: list[Diagnostic] = field(factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        """Collect one diagnostic."""
        self._found.append(diagnostic)

    def error(self, summary: str, detail: str = "", **more: object) -> None:
        """Collect an error; the keyword arguments are the fields of `Diagnostic`."""
        self._found.append(Diagnostic.error(summary, detail, **more))

    def warning(self, summary: str, detail: str = "", **more: object) -> None:
        """Collect a warning; the keyword arguments are the fields of `Diagnostic`."""
        self._found.append(Diagnostic.warning(summary, detail, **more))

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Collect many."""
        self._found.extend(others)

    @property
    def has_errors(self) -> bool:
        """Whether anything collected is an error."""
        return any(found.is_error for found in self._found)

    def in_order(self) -> list[Diagnostic]:
        """All of them, without repetitions: by source and position, those without a position last."""
        unique = list(dict.fromkeys(self._found))
        return sorted(
            unique,
            key=lambda d: (
                d.span is None,
                d.span.source if d.span else "",
                d.span.line if d.span else 0,
                d.span.column if d.span else 0,
            ),
        )

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)


class FlowplanError(Exception):
    """A broken promise of a file, server, disk or user, carried as diagnostics to the edge that reports it."""

    def __init__(self, *diagnostics: Diagnostic, exit_code: int = 1) -> None:
        """Carry ``diagnostics``; ``exit_code`` is what the process ends with if nothing handles it."""
        super().__init__("; ".join(d.summary for d in diagnostics))
        self.diagnostics = diagnostics
        self.exit_code = exit_code


class NotYet(FlowplanError):
    """What was asked for is not there or does not answer now, and may be there later."""


_LONGEST = 100
_MOST = 200
"""With more words than this, only those that begin alike are compared."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A suggestion sentence naming the known word closest to ``given``, or "" when none is near."""
    given, words = given[:_LONGEST], list(known)
    if len(words) > _MOST:
        # Why: to compare takes long, and in a large stack a slip may be made ten thousand times
        words = [word for word in words if word[:2] == given[:2] and abs(len(word) - len(given)) <= 2][:_MOST]
    return _nearest(given, tuple(words))


@lru_cache(maxsize=1024)
def _nearest(given: str, words: tuple[str, ...]) -> str:
    import difflib

    near = difflib.get_close_matches(given, words, n=1, cutoff=0.6)
    if not near:
        near = [word for word in words if word.lower() == given.lower()][:1]
    return f"Did you mean {near[0]!r}?" if near else ""
