"""The provider's limit on startup scripts, and the packed form that longer ones take."""

from __future__ import annotations

import base64
import gzip
import hashlib

from flowplan.launch.section import section

SCRIPT_LIMIT = 10_000
"""The longest startup script the provider takes. It counts characters; we count bytes, which are never fewer."""


def length(text: str) -> int:
    """How much of `SCRIPT_LIMIT` a script takes."""
    return len(text.encode("utf-8"))


def fitted(text: str) -> str:
    """``text`` itself if it fits, else a script that unpacks it, checks its SHA-256 and runs it.

    The packed form may still be too long; the caller looks. Nothing is written to the instance's disk on
    the way, since the script may hold secrets.
    """
    if length(text) <= SCRIPT_LIMIT:
        return text
    raw = text.encode("utf-8")
    packed = gzip.compress(raw, compresslevel=9, mtime=0)
    # The byte after the flags names the operating system; fixed, so that every machine packs alike.
    packed = packed[:9] + b"\xff" + packed[10:]
    payload = base64.b64encode(packed).decode("ascii")
    return section("packed", payload=payload, digest=hashlib.sha256(raw).hexdigest())
