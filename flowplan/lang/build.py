"""From a text to its `Document`."""

from __future__ import annotations

import gc

from flowplan.lang.block import UNSURE, read_block
from flowplan.lang.document import MAX_CHARACTERS, Document
from flowplan.values.diagnostic import Diagnostics


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
