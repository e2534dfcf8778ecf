"""Plain scalars by the YAML 1.2 core schema (stack-language.md, decision 2); nothing else becomes a type."""

from __future__ import annotations

import re
from typing import Any

SPECIAL = frozenset(["", *"0123456789+-.~nNtTfF"])
"""First characters of the plain scalars that may be more than text."""

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST = 4000


def resolve_plain(text: str) -> Any:
    """The value of a plain (unquoted, untagged) scalar: null, bool, int, float or the text itself.

    A number of more than 4,000 digits stays text; no field wants it, and to parse it costs quadratic time.
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    return text


_TAG = "tag:yaml.org,2002:"


def resolve_tagged(tag: str, text: str) -> Any:
    """The value of a scalar with an explicit tag.

    Raises:
        ValueError: the tag is none of the core schema's, or the text is not of its type; says which.
    """
    if tag == "!" or tag == _TAG + "str":
        return text
    wanted: dict[str, tuple[type, ...]] = {
        "null": (type(None),),
        "bool": (bool,),
        "int": (int,),
        "float": (float, int),
    }
    short = tag.removeprefix(_TAG)
    if tag == short or short not in wanted:
        shown = f"!!{short}" if tag != short else tag
        raise ValueError(f"the tag {shown} is not supported")
    value: Any = resolve_plain(text)
    if not isinstance(value, wanted[short]) or (isinstance(value, bool) and short != "bool"):
        raise ValueError(f"this value is not a valid !!{short}")
    return float(text) if short == "float" and isinstance(value, int) else value
