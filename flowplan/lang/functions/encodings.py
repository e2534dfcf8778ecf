"""Functions that turn values into texts and back, and digests of texts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import yaml
from jinja2.runtime import Undefined

from flowplan.lang.functions.bounds import PIECE, Meter, fits, size_of
from flowplan.lang.functions.plain import text_of, whole_of
from flowplan.lang.functions.registry import function
from flowplan.lang.scalars import resolve_plain

_ENCODED = "JSON, YAML and other encodings"
_DIGESTS = "Digests"
_DEEPEST = 100


@function(_ENCODED, "tojson({'a': [1, none]})", '"{\\"a\\": [1, null]}"', also="json_encode")
def tojson(value: Any, indent: int | None = None) -> str:
    """The value as JSON."""
    if indent is not None:
        whole_of(indent, 0, 8, "indent")
    plain = _plain(value)
    if indent:
        fits(size_of(plain) * (2 + indent * (1 + _depth(plain))))
    return json.dumps(plain, ensure_ascii=False, indent=indent, allow_nan=False)


@function(_ENCODED, "json_decode('[1, {\"a\": null}]')", '[1, {"a": null}]')
def json_decode(text: Any, *, meter: Meter) -> Any:
    """The value that a JSON text spells."""
    given = text_of(text)
    meter.spend(len(given) // 8)
    _shallow(given)
    try:
        return _checked(json.loads(given, parse_constant=_refused, parse_int=_whole))
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deeply"
        raise ValueError(f"this is not JSON: {reason}") from None


@function(_ENCODED, "yaml_encode({'a': ['yes', 1]})", "\"a:\\n- 'yes'\\n- 1\\n\"", also="toyaml")
def yaml_encode(value: Any, *, meter: Meter) -> str:
    """The value as YAML, in blocks."""
    plain = _plain(value)
    meter.spend(20 * size_of(plain, PIECE))
    if _merges(plain):
        raise ValueError("a key << cannot be written as YAML: it would be read as a merge")
    fits(size_of(plain) * (2 + 2 * _depth(plain)))
    text = yaml.dump(plain, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9)
    return str(text).removesuffix("...\n") if not isinstance(plain, (list, dict)) else str(text)


@function(_ENCODED, "yaml_decode('a: [yes, 0o17]')", '{"a": ["yes", 15]}')
def yaml_decode(text: Any, *, meter: Meter) -> Any:
    """The value that a YAML text spells, read as stack files are."""
    from flowplan.lang.build import parse_document

    meter.spend(len(text_of(text)))
    document, found = parse_document("text", text_of(text), secret=True)
    for problem in found:
        raise ValueError(f"this is not YAML: {problem.summary}")
    return _checked(_plain(document.root))


@function(_ENCODED, "base64_encode('héllo')", '"aMOpbGxv"', also="b64encode")
def base64_encode(text: Any) -> str:
    """The text's UTF-8 bytes in base64."""
    return base64.b64encode(_bytes(text)).decode("ascii")


@function(_ENCODED, "base64_decode('aMOpbGxv')", '"héllo"', also="b64decode")
def base64_decode(text: Any) -> str:
    """The text whose UTF-8 bytes are given in base64."""
    try:
        return base64.b64decode(text_of(text), validate=True).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the bytes are not UTF-8 text") from None
    except ValueError:
        raise ValueError("this is not base64") from None


@function(_ENCODED, "url_encode('a b/c')", '"a%20b%2Fc"', also="urlencode")
def url_encode(text: Any) -> str:
    """The text as it may stand in a part of a URL."""
    from urllib.parse import quote

    return quote(_bytes(text), safe="")


@function(_ENCODED, "url_decode('a%20b')", '"a b"')
def url_decode(text: Any) -> str:
    """The text that a part of a URL stands for."""
    from urllib.parse import unquote

    try:
        return unquote(text_of(text), errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the bytes are not UTF-8 text") from None


@function(_DIGESTS, "md5('abc')", '"900150983cd24fb0d6963f7d28e17f72"')
def md5(text: Any) -> str:
    """The MD5 digest, in hexadecimal digits. It protects nothing; it only tells texts apart."""
    return hashlib.md5(_bytes(text), usedforsecurity=False).hexdigest()


@function(_DIGESTS, "sha1('abc')", '"a9993e364706816aba3e25717850c26c9cd0d89d"')
def sha1(text: Any) -> str:
    """The SHA-1 digest, in hexadecimal digits. It protects nothing; it only tells texts apart."""
    return hashlib.sha1(_bytes(text), usedforsecurity=False).hexdigest()


@function(_DIGESTS, "sha256('abc') | truncate(12, '')", '"ba7816bf8f01"')
def sha256(text: Any) -> str:
    """The SHA-256 digest, in hexadecimal digits."""
    return hashlib.sha256(_bytes(text)).hexdigest()


@function(_DIGESTS, "sha512('abc') | truncate(12, '')", '"ddaf35a19361"')
def sha512(text: Any) -> str:
    """The SHA-512 digest, in hexadecimal digits."""
    return hashlib.sha512(_bytes(text)).hexdigest()


class _Dumper(yaml.SafeDumper):
    """Writes YAML that reads back the same by the 1.2 core schema, which knows other words than PyYAML's."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Why quotes: the 1.2 core schema knows other words than PyYAML, and rare line breaks would be folded
    plain = isinstance(resolve_plain(text), str) and text != "<<" and text.replace("\n", "").isprintable()
    style = None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_number(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    if number != number or number in (float("inf"), float("-inf")):
        return dumper.represent_float(number)
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(number))


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_number)


def _bytes(text: Any) -> bytes:
    return text_of(text).encode("utf-8", "surrogatepass")


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"the value is nested more than {_DEEPEST} deep")
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, dict):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return value


def _merges(value: Any) -> bool:
    if isinstance(value, dict):
        return "<<" in value or any(map(_merges, value.values()))
    return isinstance(value, list) and any(map(_merges, value))


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _shallow(text: str) -> None:
    depth = most = 0
    for character in text:
        if character in "[{":
            depth += 1
            most = max(most, depth)
        elif character in "]}":
            depth -= 1
    if most > 10 * _DEEPEST:
        raise ValueError("this is not JSON: it is nested too deeply")


def _checked(value: Any) -> Any:
    size_of(value)
    return _plain(value)


def _whole(digits: str) -> int:
    if len(digits) > 1200:
        raise ValueError("a number is too long")
    return int(digits)


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
