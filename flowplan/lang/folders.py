"""The folders of modules: the protocol the language reads them through, and how their content is pinned.

A module whose folder lies outside the repository is pinned in ``flowplan.lock.yaml`` beside the stack, by a
digest over every file in its folder: what a stack means does not change unless the stack or its lock does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from flowplan.lang.build import parse_document
from flowplan.lang.document import Map
from flowplan.lang.reader import Reader
from flowplan.lang.stack import Source
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostics

_HEAD = """\
# Written by flowplan modules lock. It pins the modules from outside this repository by their content:
# a module that has changed is refused until it is locked again. Commit this file.
"""
_PREFIX = "sha256:"
_NOTE = "Write the lock again: flowplan modules lock."


@frozen
class Folder:
    """A module's folder. ``identity`` is the same for every way to name it, ``shown`` is how its user names it.

    ``sources`` are its texts, and ``reader`` reads the other files in its tree.
    """

    identity: str
    shown: str
    sources: tuple[Source, ...]
    reader: Reader


class FolderError(Exception):
    """A module's folder cannot be used; ``suggestion`` says what would be right."""

    def __init__(self, summary: str, suggestion: str = "") -> None:
        super().__init__(summary)
        self.summary, self.suggestion = summary, suggestion


class Folders(Protocol):
    """Gives the folders of modules."""

    def open(self, source: str, caller: str) -> Folder:
        """The folder at ``source``, relative to the calling folder, whose identity is ``caller`` ("" for the stack's).

        Raises:
            FolderError: there is none, it cannot be read, or it is not what is pinned.
        """
        ...


class NoFolders:
    """For stacks that have no folder, such as one read from standard input."""

    def open(self, source: str, caller: str) -> Folder:
        """Always refuses."""
        raise FolderError(f"the module {source!r} cannot be read: this stack has no folder")


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """The digest of a folder: SHA-256 over the path and the content of each file, by path."""
    digest = hashlib.sha256()
    for path in sorted(files):
        name = path.encode("utf-8", "surrogateescape")
        digest.update(b"%d %s %d\n" % (len(name), name, len(files[path])))
        digest.update(files[path])
    return _PREFIX + digest.hexdigest()


def dump_lock(pins: Mapping[str, str]) -> str:
    """The text of a lock file; ``pins`` are digests by the path of a module's folder from the stack's."""
    rows = "".join(f"  {_quoted(path)}: {pins[path]}\n" for path in sorted(pins))
    return f"{_HEAD}modules:\n{rows}" if rows else f"{_HEAD}modules: {{}}\n"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_lock(source: Source) -> tuple[dict[str, str], Diagnostics]:
    """The pins in a lock file, and what is wrong with it."""
    document, found = parse_document(source.path, source.text)
    root = document.root
    if root is None or found.has_errors:
        return {}, found
    pins = root.get("modules") if type(root) is Map else None
    if type(root) is not Map or set(root) != {"modules"} or type(pins) not in (Map, type(None)):
        found.error("a lock file holds modules: and nothing else", span=document.span(0), suggestion=_NOTE)
        return {}, found
    read: dict[str, str] = {}
    for path, digest in (pins or Map()).items():
        if isinstance(path, str) and isinstance(digest, str) and digest.startswith(_PREFIX):
            read[path] = digest
        else:
            assert pins is not None
            span, snippet = document.locate(pins.value_at(path))
            found.error(
                f"{digest!r} is not a digest", span=span, snippet=snippet, suggestion=_NOTE,
            )  # fmt: skip
    return read, found
