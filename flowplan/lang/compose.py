"""Builds a `Document` from YAML events and names everything that is wrong with the text."""

from __future__ import annotations

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
from flowplan.lang.syntax import QUOTE, Fault, explain, expression_at
from flowplan.values.diagnostic import Diagnostic, Diagnostics, did_you_mean
from flowplan.values.value import Unknown

_MOST_MISTAKES = 100
"""After so many mistakes in its form, a text is not read further."""
_NO_KEY: Any = object()
_OPEN: Any = object()
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff")
_PLAIN = "Write plain YAML, without tags."
BROKEN = Unknown((), "")
"""Stands for a value that cannot be read, which is reported: nothing more is said of it."""


class _Stop(Exception):
    """The text cannot be read further."""

    def __init__(self, offset: int, summary: str, suggestion: str = "", end: int | None = None) -> None:
        super().__init__(summary)
        self.offset, self.summary, self.suggestion, self.end = offset, summary, suggestion, end


def compose(document: Document) -> Diagnostics:
    """Set the root of a document from the events of the YAML parser; every mistake in its form.

    After a syntax error the root is None. Duplicate keys are reported and the first one stands.
    """
    text = document.text
    found = Diagnostics()
    try:
        if len(text) > MAX_CHARACTERS:
            raise _Stop(
                0, f"the file is longer than {MAX_CHARACTERS // 1024 // 1024} MB", "Split it into several."
            )
        document.root = _build(document, found)
    except _Stop as stop:
        length = stop.end - stop.offset if stop.end is not None else 0
        _add(found, document, stop.offset, stop.summary, stop.suggestion, length)
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
    return found


def _add(
    found: Diagnostics, document: Document, offset: int, summary: str, suggestion: str = "", length: int = 0
) -> None:
    span, snippet = document.locate(offset, offset + length if length else None)
    found.add(Diagnostic.error(summary, span=span, snippet=snippet, suggestion=suggestion))


def _report(found: Diagnostics, document: Document, offset: int, summary: str, suggestion: str) -> None:
    """Name a mistake after which the text is read on, unless it is one too many."""
    _add(found, document, offset, summary, suggestion)
    if len(found) >= _MOST_MISTAKES:
        what = "this file has too many mistakes to be read further"
        raise _Stop(offset, what, "Mend the ones above first.", offset + 1)


def _explain(found: Diagnostics, document: Document, error: yaml.MarkedYAMLError) -> None:
    """Report a syntax error with the usual causes named."""
    _tell(found, document, explain(document, error))


def _tell(found: Diagnostics, document: Document, fault: Fault) -> None:
    end = fault.start + 1 if fault.end is None else fault.end
    span, snippet = document.locate(fault.start, end)
    found.add(Diagnostic.error(fault.summary, span=span, snippet=snippet, suggestion=fault.suggestion))


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
                    what = _unless_hidden(document, at, str(error), "this value does not fit its tag")
                    _report(found, document, at, what, _PLAIN)
                    if top is not None and (key is not _NO_KEY or not mapping):
                        value = BROKEN
            nodes += 1
            if event.anchor is not None:
                anchors[event.anchor] = (value, 1 + len(value) // 64 if type(value) is str else 1)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            nodes += 1
            at = event.start_mark.index
            if len(outer) >= MAX_DEPTH:
                raise _Stop(at, f"nested more than {MAX_DEPTH} levels deep", "Write fewer levels.")
            if mapping and key is _NO_KEY:
                if kind is MappingStartEvent and document.text[at - 1 : at + 1] == "{{":
                    fault = expression_at(document, at)
                    if fault is not None:
                        raise _Stop(fault.start, fault.summary, fault.suggestion, fault.end)
                    raise _Stop(at - 1, "an expression stands outside quotes", QUOTE)
                raise _Stop(
                    at, "a key must be plain text, not a mapping or a list", "Write one key: value for each."
                )
            if event.tag is not None and event.tag not in (
                "tag:yaml.org,2002:map",
                "tag:yaml.org,2002:seq",
                "!",
            ):
                tag = event.tag.replace("tag:yaml.org,2002:", "!!")
                what = _unless_hidden(
                    document, at, f"the tag {tag} is not supported", "tags are not supported"
                )
                _report(found, document, at, what, _PLAIN)
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
                what = f"the anchor &{event.anchor} is not defined before this alias"
                advice = f"Write &{event.anchor} before the value it repeats, further up."
                advice = did_you_mean(event.anchor, anchors) or advice
                told = _unless_hidden(document, at, what, "this alias names no anchor")
                raise _Stop(at, told, advice if told == what else "A text that begins with * needs quotes.")
            if value is _OPEN:
                what = f"the alias *{event.anchor} stands inside what it names"
                raise _Stop(
                    at,
                    _unless_hidden(document, at, what, "an alias stands inside what it names"),
                    "Remove it.",
                )
            if mapping and key is _NO_KEY and type(value) in (Map, Seq):
                raise _Stop(
                    at, "a key must be plain text, not a mapping or a list", "Use the alias as a value."
                )
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
    what = f"the key {key!r} stands twice in one mapping"
    what = _unless_hidden(document, at, what, "a key stands twice in one mapping")
    _report(found, document, at, what, f"Remove one of them; the first is at {line}:{column}.")


def _unless_hidden(document: Document, at: int, told: str, instead: str) -> str:
    """A message that quotes the text at an offset, or another one where that must not be shown."""
    return instead if document.hides(document.position(at)[0]) else told


def _merge(found: Diagnostics, document: Document, target: Map, given: Any, at: int) -> int:
    """Put the pairs of merged mappings into ``target`` where it has no such key; how many there were."""
    count = 0
    for source in given if type(given) is Seq else [given]:
        if type(source) is not Map:
            advice = "Write <<: *NAME, where &NAME stands before a mapping."
            _report(found, document, at, "a merge key << takes a mapping or a list of mappings", advice)
            return count
        for index, (key, value) in enumerate(list(source.items())):
            count += 1
            if key not in target:
                target[key] = value
                target.marks += source.marks[2 * index : 2 * index + 2]
    return count
