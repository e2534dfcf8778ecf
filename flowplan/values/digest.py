"""What stands for a text that must not be shown or stored."""

from __future__ import annotations

import hashlib


def text_digest(text: str) -> str:
    """The SHA-256 of a text, in hex; any text has one, also one that UTF-8 cannot hold."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
