"""Diagnostics for people: what is wrong, where, the line with a caret, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.report.paint import Paint, clean
from flowplan.values.diagnostic import Diagnostic

_MOST = 100
_WIDE = 160
"""Longer source lines are shown around the caret only."""


def render_diagnostic(diagnostic: Diagnostic, paint: Paint) -> str:
    """One diagnostic as text, ending in a newline."""
    colour = "red" if diagnostic.is_error else "yellow"
    word = "Error" if diagnostic.is_error else "Warning"
    lines = [paint(f"{word}: ", colour, "bold") + paint(clean(diagnostic.summary), "bold")]
    if diagnostic.span is not None:
        excerpt = _excerpt(diagnostic, paint)
        # Why only then: without for_each, the place says already which resource it is
        keyed = diagnostic.address is not None and diagnostic.address.key is not None
        which = f", in {clean(str(diagnostic.address))}" if keyed else ""
        lines += ["", f"  on {clean(str(diagnostic.span))}{which}{':' if excerpt else ''}", *excerpt]
    if diagnostic.detail:
        lines += ["", *(f"  {clean(line)}" if line else "" for line in diagnostic.detail.splitlines())]
    if diagnostic.suggestion:
        lines += ["", "  " + paint(clean(diagnostic.suggestion), "cyan")]
    return "\n".join(lines) + "\n"


def _excerpt(diagnostic: Diagnostic, paint: Paint) -> list[str]:
    span, line = diagnostic.span, diagnostic.snippet
    if span is None or not span.line or not line:
        return []
    start = max(span.column - 1, 0)
    if start > len(line):
        return []  # a very long line, of which not all is kept
    end = span.end_column - 1 if span.end_line == span.line and span.end_column > span.column else start + 1
    cut = max(0, start - 60) if len(line) > _WIDE else 0
    text = line[cut : cut + _WIDE]
    head, body = line[cut:start], line[start : min(end, cut + _WIDE)]
    number = str(span.line)
    pad = " " * len(clean(head).expandtabs(4))
    carets = "^" * max(1, len(clean(body).expandtabs(4)))
    return [
        f"    {number} | {clean(text).expandtabs(4)}",
        f"    {' ' * len(number)} | {pad}{paint(carets, 'red' if diagnostic.is_error else 'yellow')}",
    ]


def render_diagnostics(diagnostics: Iterable[Diagnostic], paint: Paint) -> str:
    """Many, separated by empty lines; past the first hundred only their number is told (``--json`` has more of them)."""
    found = list(diagnostics)
    kept = [one for one in found if not one.more]
    parts = [render_diagnostic(diagnostic, paint) for diagnostic in kept[:_MOST]]
    if more := len(kept[_MOST:]) + sum(one.more for one in found):
        listed = f"the first {len(kept):,}" if len(kept) < len(found) else "all"
        parts.append(f"… and {more:,} more like these; flowplan validate --json lists {listed}.\n")
    return "\n".join(parts)
