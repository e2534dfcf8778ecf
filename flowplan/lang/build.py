"""From the bytes of a file to its `Document`."""

from __future__ import annotations

import gc

from flowplan.lang.block import UNSURE, read_block
from flowplan.lang.document import MAX_CHARACTERS, Document
from flowplan.values.diagnostic import Diagnostics

__all__ = ["decode", "parse_document"]


def decode(path: str, raw: bytes) -> tuple[str, Diagnostics]:
    """The text of a file's bytes: UTF-8, with or without a byte order mark."""
    found = Diagnostics()
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8"), found
    except UnicodeDecodeError as error:
        document = Document(path, raw[: error.start].decode("utf-8"), secret=True)
        found.error(
            f"{path} is not UTF-8: the byte 0x{raw[error.start]:02x} cannot stand here",
            span=document.span(len(document.text), len(document.text) + 1),
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
    running = gc.isenabled()
    gc.disable()  # Why: nothing here makes cycles, and the collector costs 15 % on big documents
    try:
        root = read_block(text) if len(text) <= MAX_CHARACTERS else UNSURE
        if root is not UNSURE:
            document.root, document.is_block = root, True
            return document, Diagnostics()
        from flowplan.lang.compose import compose

        return document, compose(document)
    finally:
        if running:
            gc.enable()
