"""What a server says, made fit to be shown: no secret of ours, no control characters, not too long."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
_SHORTEST_SECRET = 8
LONGEST_TEXT = 400
"""The most characters of a server's words that are ever shown."""


def secrets_of(values: Iterable[str]) -> tuple[str, ...]:
    """What to black out for these secret texts: each whole, and each of its longer lines, longest first.

    Why lines: an error that quotes a startup script often quotes just the line it stumbled over.
    """
    found: set[str] = set()
    for value in values:
        for part in (value, *value.splitlines()):
            bare = part.strip()
            if len(bare) >= _SHORTEST_SECRET:
                found.update((bare, json.dumps(bare)[1:-1]))
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` on one line, with secrets blacked out, control characters dropped, and cut to a bearable length."""
    for secret in secrets:
        text = text.replace(secret, "…")
    if not (text.isascii() and text.isprintable()):
        text = re.sub(_CONTROL, " ", text)
    text = " ".join(text.split())
    for secret in secrets:
        text = text.replace(re.sub(r"\s+", " ", secret), "…")
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def server_words(body: bytes, is_json: bool, secrets: Iterable[str] = ()) -> str:
    """The message inside an error answer: ``detail`` as text, list or object; plain text as it is; "" for HTML.

    Of a validation error only ``loc`` and ``msg`` are taken: ``input`` would quote the request back.
    """
    if is_json:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return ""
        return shown(_words(document), secrets)
    text = body[: 4 * LONGEST_TEXT].decode("utf-8", "replace").strip()
    return "" if text[:1] == "<" else shown(text, secrets)


def validation_errors(body: bytes, secrets: Iterable[str] = ()) -> list[tuple[tuple[str, ...], str]]:
    """The (location, message) pairs of a 422 answer; locations without their leading ``body`` or ``query``."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    details = document.get("detail") if isinstance(document, dict) else None
    found = []
    for item in details if isinstance(details, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get("msg"), str):
            continue
        loc = item.get("loc")
        parts = tuple(shown(str(part)) for part in loc) if isinstance(loc, list) else ()
        found.append(
            (parts[1:] if parts[:1] in (("body",), ("query",)) else parts, shown(item["msg"], secrets))
        )
    return found


def _words(document: Any) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return "; ".join(words for item in document[:8] if (words := _words(item)))
    if isinstance(document, dict):
        for key in ("detail", "message", "msg", "error", "reason"):
            if document.get(key):
                words = _words(document[key])
                loc = document.get("loc")
                if key == "msg" and isinstance(loc, list):
                    words = f"{'.'.join(str(part) for part in loc)}: {words}"
                return words
    return ""
