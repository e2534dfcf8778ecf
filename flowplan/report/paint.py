"""Colour for terminals, and protection from texts that would drive one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowplan.values.classes import frozen

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_ASCII_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f]"
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"


def clean(text: str) -> str:
    """``text`` with each control character (but newline and tab) made visible, so that it can drive no terminal."""
    if text.isascii() and text.isprintable():
        return text
    control = _ASCII_CONTROL if text.isascii() else _CONTROL
    return re.sub(
        control, lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text
    )


@frozen
class Paint:
    """Adds colour where ``enabled``; otherwise gives texts back as they are."""

    enabled: bool = False

    def __call__(self, text: str, *styles: str) -> str:
        """``text`` in the named styles."""
        if not self.enabled or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def wants_colour(is_terminal: bool, environ: Mapping[str, str], no_color: bool = False) -> bool:
    """Whether to colour: NO_COLOR and --no-color forbid it, FORCE_COLOR demands it, else only on a real terminal."""
    if no_color or environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"
