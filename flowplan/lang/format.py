"""Formatting of stack files: canonical whitespace, the same comments, the same meaning.

Indentation is two columns a level, a list's dashes stand two columns inside the key they belong to, brackets hug
what they hold, at most one empty line stands between two others. What carries meaning is not touched: order, keys,
quotes, anchors, the text of scalars. Each result is parsed and compared before it is given out.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import yaml

from flowplan.lang.build import parse_document
from flowplan.lang.document import Document, events
from flowplan.lang.format_layout import CannotLayOut, lay_out
from flowplan.values.diagnostic import Diagnostic, Diagnostics

_BOM = "\ufeff"


def format_text(path: str, text: str) -> tuple[str, Diagnostics]:
    """The text in its canonical layout; with a diagnostic, and as it is, where it is no YAML or has no safe layout.

    Line ends are those of the first line. Mistakes in what a stack says are not looked for.
    """
    secret = path.rsplit("/", 1)[-1].endswith(("vars.yaml", "vars.yml"))
    document, found = parse_document(path, text, secret)
    if document.root is None and found.has_errors:
        return text, found
    mark = _BOM if text.startswith(_BOM) else ""
    ends = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
    plain = text.removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n")
    try:
        result, comments = lay_out(plain)
        if _same(plain, result) and lay_out(result)[1] == comments:
            return mark + (result if ends == "\n" else result.replace("\n", ends)), Diagnostics()
        offset = 0
    except CannotLayOut as error:
        offset = error.offset
    except yaml.YAMLError:
        offset = 0
    return text, _refused(Document(path, plain, secret), offset)


def _refused(document: Document, offset: int) -> Diagnostics:
    found = Diagnostics()
    span, snippet = document.locate(offset, offset + 1)
    found.add(
        Diagnostic.error(
            "this file cannot be formatted without a change to what it says",
            "It is left as it is.",
            span=span if offset else document.span(0, 0),
            snippet=snippet if offset else "",
            suggestion="Look for unusual line breaks or blanks inside a text, and write them as escapes in quotes.",
        )
    )
    return found


def _same(one: str, other: str) -> bool:
    """Whether two texts say the same, down to the quoting of each scalar, to anchors and to tags."""
    return all(_said(a) == _said(b) for a, b in zip_longest(events(one), events(other)))


def _said(event: Any) -> tuple[Any, ...]:
    return (
        type(event),
        *(
            getattr(event, name, None)
            for name in ("anchor", "tag", "implicit", "value", "style", "flow_style")
        ),
    )
