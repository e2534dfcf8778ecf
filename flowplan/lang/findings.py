"""Collects the diagnostics of one load: once each, in file order, and never with a secret in them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

from attrs import evolve

from flowplan.lang.document import Document
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, Diagnostics, Severity, Span
from flowplan.values.value import leaves, reveal

MOST_KEPT = 1000
"""How many errors, and how many warnings, of one load are kept; of the others only their number is told."""
_SHORTEST = 4
_HIDDEN = "(sensitive)"


class Findings:
    """What has been found so far. A second diagnostic with the same words at the same place is dropped."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._seen: set[int] = set()
        self._counts = dict.fromkeys(Severity, 0)
        self._secrets: dict[int, set[str]] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Collect one."""
        key = hash((diagnostic.span, diagnostic.summary))
        if key in self._seen:
            return
        self._seen.add(key)
        self._counts[diagnostic.severity] += 1
        if self._counts[diagnostic.severity] <= MOST_KEPT:
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
        """Never let a text or number inside ``value`` appear in a diagnostic, in any of the ways it may be written."""
        for _, leaf in leaves(reveal(value)):
            if isinstance(leaf, (str, int, float)) and not isinstance(leaf, bool):
                for text in {str(leaf), *str(leaf).splitlines()}:
                    for form in _forms(text):
                        self._secrets.setdefault(len(form), set()).add(form)

    @property
    def count(self) -> int:
        """How many have been found."""
        return sum(self._counts.values())

    def apart(self) -> Findings:
        """An empty collection that hides the same secrets."""
        other = Findings()
        other._secrets = self._secrets
        return other

    @property
    def has_errors(self) -> bool:
        """Whether anything found is an error."""
        return self._counts[Severity.ERROR] > 0

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
        for severity, count in self._counts.items():
            if (more := count - MOST_KEPT) > 0:
                what = f"{more:,} more {severity.value}s were found and are not listed"
                done.add(
                    Diagnostic(
                        severity, what, suggestion="Mend those above first; there may be more.", more=more
                    )
                )
        return done

    def _scrubbed(self, found: Diagnostic) -> Diagnostic:
        if not self._secrets:
            return found
        summary, detail, suggestion = map(self._without, (found.summary, found.detail, found.suggestion))
        snippet = found.snippet if self._without(found.snippet) == found.snippet else ""
        return evolve(found, summary=summary, detail=detail, suggestion=suggestion, snippet=snippet)

    def _without(self, text: str) -> str:
        # Why by length: a stack may have many secrets, and a message has few parts of one length
        for length in sorted((one for one in self._secrets if one <= len(text)), reverse=True):
            secrets = self._secrets[length]
            parts = {text[start : start + length] for start in range(len(text) - length + 1)}
            for secret in parts & secrets:
                text = text.replace(secret, _HIDDEN)
        return text


def _forms(text: str) -> set[str]:
    """The ways a message may spell a text; none for one that is too short to be told from any other."""
    if len(text) < _SHORTEST:
        return set()
    raw = text.encode("utf-8", "surrogatepass")
    found = {text, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    found |= {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    return found | {
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
