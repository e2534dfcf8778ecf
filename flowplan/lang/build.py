"""Builds a `Document` from YAML events and names everything that is wrong with the text."""

from __future__ import annotations

import gc
import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from flowplan.lang.document import MAX_CHARACTERS, MAX_DEPTH, MAX_EXPANSION, Document, Map, Seq, events
from flowplan.lang.scalars import SPECIAL, resolve_plain, resolve_tagged
from flowplan.values.diagnostic import Diagnostic, Diagnostics

_NO_KEY: Any = object()
_OPEN: Any = object()
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff")
_UNQUOTED = re.compile(r"(?:^|[:\-,\[{]\s+)(\{[{%])")
_QUOTE = 'Quote the whole value: key: "{{ … }}".'


class _Stop(Exception):
    """The text cannot be read further."""

    def __init__(self, offset: int, summary: str, suggestion: str = "") -> None:
        super().__init__(summary)
        self.offset, self.summary, self.suggestion = offset, summary, suggestion


def decode(path: str, raw: bytes) -> tuple[str, Diagnostics]:
    """The text of a file's bytes: UTF-8, with or without a byte order mark."""
    found = Diagnostics()
    try:
        return raw.decode("utf-8-sig"), found
    except UnicodeDecodeError as error:
        document = Document(path, raw[: error.start].decode("utf-8", "replace"), secret=True)
        span = document.span(len(document.text), len(document.text))
        found.error(
            f"not UTF-8: the byte 0x{raw[error.start]:02x} cannot stand here",
            span=span,
            suggestion="Save the file as UTF-8.",
        )
        return "", found


def parse_document(path: str, text: str, secret: bool = False) -> tuple[Document, Diagnostics]:
    """The document that ``text`` spells, and every mistake in its form.

    After a syntax error the root is None. Duplicate keys are reported and the first one stands.
    ``secret`` documents are never quoted in a diagnostic.
    """
    text = text.removeprefix("\ufeff")
    document = Document(path, text, secret)
    found = Diagnostics()
    running = gc.isenabled()
    gc.disable()  # Why: nothing here makes cycles, and the collector costs 15 % on big documents
    try:
        if len(text) > MAX_CHARACTERS:
            raise _Stop(
                0, f"the file is longer than {MAX_CHARACTERS // 1024 // 1024} MB", "Split it into several."
            )
        document.root = _build(document, found)
    except _Stop as stop:
        _add(found, document, stop.offset, stop.summary, stop.suggestion)
    except yaml.MarkedYAMLError as error:
        _explain(found, document, error)
    except (yaml.YAMLError, UnicodeEncodeError):
        bad = _FORBIDDEN.search(text)
        offset = bad.start() if bad else 0
        shown = f"U+{ord(bad[0]):04X}" if bad else "this"
        _add(
            found,
            document,
            offset,
            f"the character {shown} cannot stand in YAML",
            "Remove it, or write it as an escape inside double quotes.",
            1,
        )
    except (RecursionError, ValueError) as error:
        _add(found, document, 0, f"the file cannot be read as YAML ({type(error).__name__})")
    finally:
        if running:
            gc.enable()
    return document, found


def _add(
    found: Diagnostics, document: Document, offset: int, summary: str, suggestion: str = "", length: int = 0
) -> None:
    span, snippet = document.locate(offset, offset + length if length else None)
    found.add(Diagnostic.error(summary, span=span, snippet=snippet, suggestion=suggestion))


def _explain(found: Diagnostics, document: Document, error: yaml.MarkedYAMLError) -> None:
    """Words for a syntax error, with the usual causes named."""
    mark = error.problem_mark or error.context_mark
    offset = min(mark.index, len(document.text)) if mark is not None else 0
    problem = str(error.problem or error.context or "this is not YAML")
    number = document.position(offset)[0]
    line = document.text.splitlines()[number - 1 : number] or [""]
    suggestion, detail = "", f"{error.context}." if error.context and not document.secret else ""
    unquoted = _UNQUOTED.search(line[0])
    if unquoted:
        problem, detail, suggestion = "an expression stands outside quotes", "", _QUOTE
        offset += unquoted.start(1) + 1 - document.position(offset)[1]
    elif "tab character" in problem or (line[0][: len(line[0]) - len(line[0].lstrip())].count("\t")):
        problem, suggestion = "a tab is used for indentation", "Indent with spaces."
    elif "mapping values are not allowed" in problem:
        suggestion = (
            "Quote a value that contains ': ', and check that keys of one mapping are indented alike."
        )
    elif "cannot start any token" in problem:
        suggestion = "Quote the value."
    elif "expected ',' or" in problem or "end of stream" in problem or "found unexpected" in problem:
        suggestion = "Look for a quote or bracket that is not closed."
    elif "block" in str(error.context or ""):
        suggestion = "Check the indentation: keys of one mapping, or dashes of one list, stand in one column."
    span, snippet = document.locate(offset, offset + 1)
    summary = problem if problem.startswith(("an ", "a ")) else f"not valid YAML: {problem}"
    found.add(Diagnostic.error(summary, detail, span=span, snippet=snippet, suggestion=suggestion))


def _build(document: Document, found: Diagnostics) -> Any:
    """The value of the one document in the text. One loop, no recursion: this is where loading spends its time."""
    root: Any = _NO_KEY
    top: Any = None  # the open mapping or sequence
    mapping = False  # whether it is a mapping
    key: Any = _NO_KEY  # the key that waits for its value
    outer: list[
        tuple[Any, Any, str | None, int]
    ] = []  # open collections: (outer, its waiting key, anchor, nodes before)
    anchors: dict[str, tuple[Any, int]] = {}
    merges: list[tuple[Map, Any, int]] = []
    nodes = extra = documents = 0
    special, resolve = SPECIAL, resolve_plain

    for event in events(document.text):
        kind = type(event)
        if kind is ScalarEvent:
            value = event.value
            at = event.start_mark.index
            implicit = event.implicit
            if implicit[0]:
                if value[:1] in special:
                    value = resolve(value)
            elif event.tag is not None and not implicit[1]:
                try:
                    value = resolve_tagged(event.tag, value)
                except ValueError as error:
                    _add(found, document, at, str(error))
            nodes += 1
            if event.anchor is not None:
                anchors[event.anchor] = (value, 1 + len(value) // 64 if type(value) is str else 1)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            nodes += 1
            at = event.start_mark.index
            if len(outer) >= MAX_DEPTH:
                raise _Stop(at, f"nested more than {MAX_DEPTH} levels deep")
            if mapping and key is _NO_KEY:
                if kind is MappingStartEvent and document.text[at : at + 1] == "{":
                    raise _Stop(
                        at - 1 if document.text[at - 1 : at] == "{" else at,
                        "an expression stands outside quotes",
                        _QUOTE,
                    )
                raise _Stop(at, "a key must be plain text, not a mapping or a list", "Quote the key.")
            if event.tag is not None and event.tag not in (
                "tag:yaml.org,2002:map",
                "tag:yaml.org,2002:seq",
                "!",
            ):
                _add(found, document, at, "this tag is not supported; use plain YAML without tags")
            outer.append((top, key, event.anchor, nodes))
            if event.anchor is not None:
                anchors[event.anchor] = (_OPEN, 0)
            mapping = kind is MappingStartEvent
            top = Map(at) if mapping else Seq(at)
            key = _NO_KEY
            continue
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            value = top
            at = top.at
            top, key, anchor, before = outer.pop()
            mapping = type(top) is Map
            if anchor is not None:
                anchors[anchor] = (value, nodes + extra - before + 1)
        elif kind is AliasEvent:
            at = event.start_mark.index
            value, size = anchors.get(event.anchor, (_NO_KEY, 0))
            if value is _NO_KEY:
                raise _Stop(
                    at,
                    f"the anchor &{event.anchor} is not defined before this alias",
                    f"Define it with &{event.anchor}.",
                )
            if value is _OPEN:
                raise _Stop(at, f"the alias *{event.anchor} stands inside what it names")
            if mapping and key is _NO_KEY and type(value) in (Map, Seq):
                raise _Stop(at, "a key must be plain text, not a mapping or a list")
            extra += size
            if extra > MAX_EXPANSION:
                raise _Stop(at, "aliases make this document too large", "Write fewer aliases of aliases.")
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise _Stop(
                    event.start_mark.index,
                    "a file holds one document, and here a second one starts",
                    "Remove the --- line, or split the file.",
                )
            continue
        else:
            continue

        if top is None:
            root = value
        elif mapping:
            if key is _NO_KEY:
                key = value
                if value in top:
                    _duplicate(found, document, top, value, at)
                    key = _Twice(value)
                top.marks.append(at)
            else:
                if key == "<<":
                    merges.append((top, value, at))
                    del top.marks[-1]
                elif type(key) is _Twice:
                    del top.marks[-1]
                else:
                    top[key] = value
                    top.marks.append(at)
                key = _NO_KEY
        else:
            top.append(value)
            top.marks.append(at)

    for target, given, at in merges:
        extra += _merge(found, document, target, given, at)
        if extra > MAX_EXPANSION:
            raise _Stop(at, "merge keys make this document too large", "Write fewer merges of merges.")
    return None if root is _NO_KEY else root


class _Twice:
    """Stands for a key that is already there, so that its value is read and dropped."""

    def __init__(self, key: Any) -> None:
        self.key = key


def _duplicate(found: Diagnostics, document: Document, top: Map, key: Any, at: int) -> None:
    line, column = document.position(top.key_at(key))
    _add(
        found,
        document,
        at,
        f"the key {key!r} stands twice in one mapping"
        if not document.secret
        else "a key stands twice in one mapping",
        f"Remove one of them; the first is at {line}:{column}.",
    )


def _merge(found: Diagnostics, document: Document, target: Map, given: Any, at: int) -> int:
    """Put the pairs of merged mappings into ``target`` where it has no such key; how many there were."""
    count = 0
    for source in given if type(given) is Seq else [given]:
        if type(source) is not Map:
            _add(found, document, at, "a merge key << takes a mapping or a list of mappings")
            return count
        for index, (key, value) in enumerate(list(source.items())):
            count += 1
            if key not in target:
                target[key] = value
                target.marks += source.marks[2 * index : 2 * index + 2]
    return count
