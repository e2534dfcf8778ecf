"""Collects the diagnostics of one load: once each, in file order, and never with a secret in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve

from flowplan.lang.document import Document
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, Diagnostics, Severity, Span
from flowplan.values.value import leaves, reveal

_SHORTEST = 4
_HIDDEN = "(sensitive)"


class Findings:
    """What has been found so far. A second diagnostic with the same words at the same place is dropped."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._seen: set[tuple[Span | None, str]] = set()
        self._secrets: set[str] = set()

    def add(self, diagnostic: Diagnostic) -> None:
        """Collect one."""
        key = (diagnostic.span, diagnostic.summary)
        if key not in self._seen:
            self._seen.add(key)
            self._found.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Collect many."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def at(
        self,
        document: Document,
        offset: int,
        summary: str,
        suggestion: str = "",
        *,
        end: int | None = None,
        detail: str = "",
        address: Address | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Collect one that points at a node of a document (or at ``offset`` to ``end``)."""
        span, snippet = document.locate(offset, end)
        self.add(Diagnostic(severity, summary, detail, span, address, suggestion, snippet))

    def add_problem(
        self, summary: str, suggestion: str, span: Span | None, snippet: str, address: Address | None
    ) -> None:
        """Collect an error whose place is worked out already."""
        self.add(Diagnostic(Severity.ERROR, summary, "", span, address, suggestion, snippet))

    def keep_secret(self, value: object) -> None:
        """Never let a text or number inside ``value`` appear in a diagnostic."""
        for _, leaf in leaves(reveal(value)):
            if isinstance(leaf, (str, int, float)) and not isinstance(leaf, bool):
                for text in {str(leaf), *str(leaf).splitlines()}:
                    if len(text) >= _SHORTEST:
                        self._secrets.add(text)

    @property
    def count(self) -> int:
        """How many are collected."""
        return len(self._found)

    def apart(self) -> Findings:
        """An empty collection that hides the same secrets."""
        other = Findings()
        other._secrets = self._secrets
        return other

    @property
    def has_errors(self) -> bool:
        """Whether anything collected is an error."""
        return any(found.is_error for found in self._found)

    def finish(self, order: Sequence[str]) -> Diagnostics:
        """All of them, in the order of the files named and of the places in them; those without a place last."""
        rank = {name: index for index, name in enumerate(order)}
        found = sorted(
            (self._scrubbed(diagnostic) for diagnostic in self._found),
            key=lambda d: (
                (rank.get(d.span.source, len(rank)), d.span.line, d.span.column)
                if d.span is not None
                else (len(rank) + 1, 0, 0)
            ),
        )
        done = Diagnostics()
        done.extend(found)
        return done

    def _scrubbed(self, found: Diagnostic) -> Diagnostic:
        if not self._secrets:
            return found
        summary, detail, suggestion, snippet = found.summary, found.detail, found.suggestion, found.snippet
        for secret in sorted(self._secrets, key=len, reverse=True):
            summary, detail, suggestion = (
                text.replace(secret, _HIDDEN) for text in (summary, detail, suggestion)
            )
            snippet = "" if secret in snippet else snippet
        return evolve(found, summary=summary, detail=detail, suggestion=suggestion, snippet=snippet)
