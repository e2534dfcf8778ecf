"""The top-level keys of a folder's texts, sorted out: which section stands where, and what is declared in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flowplan.lang.build import parse_document
from flowplan.lang.complaints import FOREIGN_SECTIONS
from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.findings import Findings
from flowplan.lang.secrets import hide_secrets
from flowplan.lang.stack import Source
from flowplan.values.address import NAME, Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.strict import show

SECTIONS = (
    "stack", "requires", "description", "provider", "variables", "locals", "data", "modules", "defaults",
    *(kind.section for kind in Kind), "moved", "removed", "imports", "checks", "budget", "limits", "outputs",
)  # fmt: skip
"""The sections of a stack."""
LATER = ("backend",)
"""Sections of the language that this version knows by name only; to ignore one would be to promise it."""
MODULE_SECTIONS = (
    "stack", "requires", "description", "variables", "locals", "data", "modules", "defaults",
    *(kind.section for kind in Kind), "moved", "removed", "outputs",
)  # fmt: skip
"""The sections of a module; ``stack`` names it where it is used as a stack of its own."""
NAME_RULE = "A name has lower-case letters, digits, - and _, and begins with a letter."


@frozen
class Entry:
    """One key of one file with its value: a section, or what is declared in one."""

    document: Document
    name: str
    at: int
    node: Any
    node_at: int

    @property
    def end(self) -> int:
        """The offset where its name ends."""
        return self.at + len(self.name)


class Sections:
    """The sections of the texts of one folder. ``unreadable``: a text could not be read, so names are missing."""

    def __init__(self, findings: Findings, module: bool = False) -> None:
        self.findings = findings
        self.module = module
        self.documents: list[Document] = []
        self.unreadable = self.doubtful = False
        self._entries: dict[str, list[Entry]] = {}
        self._items: dict[str, tuple[list[Entry], bool]] = {}

    def read(self, source: Source) -> None:
        """Parse one file and sort its top-level keys out; mistakes are reported."""
        document, found = parse_document(source.path, source.text)
        self.findings.extend(found)
        self.documents.append(document)
        root = document.root
        if root is None:
            self.unreadable |= found.has_errors
            return
        self.findings.keep_secret(hide_secrets(document))
        # Why: of what stands twice only the first is read, and the second may be what says that it is sensitive
        self.doubtful |= found.has_errors and "sensitive" in source.text
        if type(root) is not Map:
            self.unreadable = True
            what = "a module's file" if self.module else "a stack file"
            self.findings.at(
                document, 0, f"{what} is a mapping of sections, not {describe(root)}",
                "Start with stack: NAME." if not self.module else "Start with variables: or tasks:.",
            )  # fmt: skip
            return
        for index, (name, node) in enumerate(root.items()):
            at, node_at = root.marks[2 * index], root.marks[2 * index + 1]
            if isinstance(name, str) and name.startswith("x-"):
                continue  # a place for anchors, as in Compose
            if name in (MODULE_SECTIONS if self.module else SECTIONS):
                self._entries.setdefault(name, []).append(Entry(document, name, at, node, node_at))
            else:
                self._refuse(document, name, at)

    def _refuse(self, document: Document, name: Any, at: int) -> None:
        end = at + len(name) if isinstance(name, str) else None
        if self.module and name in SECTIONS:
            self.findings.at(
                document, at, f"{name} belongs to the stack, not to a module",
                "Move it to the stack that calls the module.", end=end,
            )  # fmt: skip
        elif name in LATER:
            self.findings.at(
                document, at, f"{name} is not supported by this version yet", "Remove the section.", end=end
            )
        else:
            known = MODULE_SECTIONS if self.module else SECTIONS
            near = (
                FOREIGN_SECTIONS.get(name)
                or did_you_mean(str(name), (*known, *LATER))
                or f"The sections are: {', '.join(known)}."
            )
            self.findings.at(document, at, f"there is no section {name!r}", near)

    def named(self, section: str) -> list[Entry]:
        """Where a section stands, file by file."""
        return self._entries.get(section, [])

    def one(self, section: str) -> Entry | None:
        """A section that may stand in one file only; a second one is reported."""
        named = self.named(section)
        for other in named[1:]:
            self._twice(named[0], other, f"{section} stands in two files", "keep one")
        return named[0] if named else None

    def _twice(self, first: Entry, other: Entry, summary: str, advice: str = "") -> None:
        """Report what stands in two places, at each of them, so that an editor marks both."""
        tail = f"; {advice}." if advice else "."
        for here, there, which in ((first, other, "Another"), (other, first, "The first")):
            place = there.document.span(there.at, there.end)
            self.findings.at(
                here.document, here.at, summary, f"{which} one is at {place}{tail}", end=here.end
            )

    def items(self, section: str, what: str) -> tuple[list[Entry], bool]:
        """What is declared in a section, over all files, and whether all of it could be read; done once."""
        if section not in self._items:
            self._items[section] = self._read_items(section, what)
        return self._items[section]

    def _read_items(self, section: str, what: str) -> tuple[list[Entry], bool]:
        found: dict[str, Entry] = {}
        whole = True
        for entry in self.named(section):
            if entry.node is None:
                continue
            if type(entry.node) is not Map:
                self.findings.at(
                    entry.document, entry.node_at, f"{section} must be a mapping, not {describe(entry.node)}",
                    f"Write NAME: … below {section}:.",
                )  # fmt: skip
                whole = False
                continue
            marks = entry.node.marks
            for index, (name, node) in enumerate(entry.node.items()):
                at, node_at = marks[2 * index], marks[2 * index + 1]
                if not isinstance(name, str) or NAME.fullmatch(name) is None:
                    summary = f"{show(name)} cannot be the name of {article(what)}"
                    self.findings.at(entry.document, at, summary, name_advice(name))
                    whole = False
                elif name in found:
                    other = Entry(entry.document, name, at, node, node_at)
                    self._twice(found[name], other, f"the {what} {name} is declared twice")
                else:
                    found[name] = Entry(entry.document, name, at, node, node_at)
        return list(found.values()), whole

    def rows(self, section: str) -> list[Entry]:
        """The rows of a section that is a list, over all files; ``at`` and ``node_at`` are where a row starts."""
        found: list[Entry] = []
        for entry in self.named(section):
            if entry.node is None:
                continue
            if not isinstance(entry.node, list):
                self.findings.at(
                    entry.document, entry.node_at, f"{section} must be a list, not {describe(entry.node)}",
                    "Write each one as a row that starts with a dash.",
                )  # fmt: skip
                continue
            for row, at in zip(entry.node, entry.node.marks, strict=True):  # type: ignore[attr-defined]
                found.append(Entry(entry.document, section, at, row, at))
        return found


def name_advice(name: Any) -> str:
    """What to write instead of something that is no name."""
    text = re.sub(r"[^a-z0-9_-]+", "-", str(name).lower()).strip("-_") if isinstance(name, str) else ""
    return f"Write {text}. {NAME_RULE}" if NAME.fullmatch(text) else NAME_RULE


def article(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def listed(names: Iterable[str], limit: int = 20) -> str:
    """Names for a message."""
    return ", ".join(sorted(names)[:limit])
