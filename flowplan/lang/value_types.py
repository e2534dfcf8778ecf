"""The types of variables: what each accepts, what it makes of a value, and what is wrong with one that does not fit.

A type is a word (``int``), a word with the type of its items (``list(string)``, ``map(int)``), or ``object`` with
``fields``, each with a type of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import field

from flowplan.lang.build import parse_document
from flowplan.lang.descent import describe
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.quantity import Money, format_instant, parse_duration, parse_instant
from flowplan.values.value import Path, Sensitive, Unknown, path_text

_GIGABYTE = 10**9
_LONGEST = 100
_DEEPEST = 10
_TYPE = r"([a-z]+)(?:\((.*)\))?"
_HOLDERS = ("list", "map")
FIELD_KEYS = ("type", "default", "description", "fields")
"""What a field of an object says of itself."""
_MISSING: Any = object()


def _string(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def _int(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number")
    return value


def _bool(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("a list")
    return value


def _map(value: Any) -> Any:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError("a mapping with texts as keys")
    return value


def _duration(value: Any) -> Any:
    try:
        parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("a duration such as 30s, 10m or 2h") from None
    return value.strip()


def _size(value: Any) -> Any:
    wrong = ValueError("a size such as 500GB or 2TB, or whole gigabytes")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or len(str(value)) > _LONGEST:
        raise wrong
    try:
        from flowplan.lang.functions.amounts import bytes_of

        size = bytes_of(str(value))
    except ValueError:
        raise wrong from None
    if size % _GIGABYTE:
        raise wrong
    return int(size) // _GIGABYTE


def _money(value: Any) -> Any:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        if len(str(value)) > _LONGEST:
            raise ValueError
        return Money.parse(str(value)).dollars
    except (ValueError, ArithmeticError):
        raise ValueError("an amount of money such as $12.34") from None


def _timestamp(value: Any) -> Any:
    try:
        return format_instant(parse_instant(value if isinstance(value, str) else ""))
    except (ValueError, OverflowError):
        raise ValueError("a time such as 2026-12-01T00:00:00Z") from None


TYPES: Mapping[str, Callable[[Any], Any]] = {
    "string": _string, "int": _int, "number": _number, "bool": _bool, "list": _list, "map": _map,
    "object": _map, "duration": _duration, "size": _size, "money": _money, "timestamp": _timestamp,
}  # fmt: skip
"""What a type makes of a value: its canonical form (``size``: gigabytes, ``money``: dollars), or ValueError."""
_EXAMPLES = {
    "string": "text in quotes", "int": "a number such as 4", "number": "a number such as 0.5",
    "bool": "true or false, without quotes", "list": "[one, two]", "map": "{key: value}", "object": "{key: value}",
}  # fmt: skip
"""How a value of a type is written, where the type's own words do not say so."""
_TEXTUAL = ("string", "duration", "timestamp", "size", "money")


@frozen
class Field:
    """A field of an object: its type, and the value it has where none is written (without one, it must be)."""

    type: ValueType
    default: Any = _MISSING

    @property
    def is_needed(self) -> bool:
        """Whether it must be written."""
        return self.default is _MISSING


@frozen
class Misfit:
    """What does not fit: where in the value, what is wrong in words that follow the name of that place, and advice."""

    path: Path
    summary: str
    suggestion: str = ""


@frozen
class ValueType:
    """A type: its word, the type of what it holds, and the fields of an object (None: any)."""

    word: str
    holds: ValueType | None = None
    fields: Mapping[str, Field] | None = field(default=None)

    def __str__(self) -> str:
        return f"{self.word}({self.holds})" if self.holds is not None else self.word

    @property
    def is_textual(self) -> bool:
        """Whether a text from the command line or the environment is taken as it is."""
        return self.word in _TEXTUAL

    def take(self, value: Any, special: Special | None = None) -> tuple[Any, list[Misfit]]:
        """The canonical form of ``value`` (durations, sizes and times in one spelling), and all that does not fit.

        ``special`` takes the parts that are `Unknown` or `Sensitive`; without it there are none.
        """
        misfits: list[Misfit] = []
        return self._take(value, (), misfits, special), misfits

    def _take(self, value: Any, path: Path, misfits: list[Misfit], special: Special | None) -> Any:
        if special is not None and type(value) in (Unknown, Sensitive):
            return special(self, value, path, misfits)
        try:
            value = TYPES[self.word](value)
        except ValueError as error:
            example = f"Write it as {_EXAMPLES[self.word]}." if self.word in _EXAMPLES else ""
            misfits.append(Misfit(path, f"must be {error}, not {describe(value)}", example))
            return value
        if self.word == "list" and self.holds is not None:
            return [
                self.holds._take(item, (*path, index), misfits, special) for index, item in enumerate(value)
            ]
        if self.word == "map" and self.holds is not None:
            return {
                key: self.holds._take(item, (*path, key), misfits, special) for key, item in value.items()
            }
        if self.word == "object" and self.fields is not None:
            return self._object(value, path, misfits, special)
        return value

    def _object(
        self, value: dict[str, Any], path: Path, misfits: list[Misfit], special: Special | None
    ) -> dict[str, Any]:
        assert self.fields is not None
        for key in value:
            if key not in self.fields:
                near = did_you_mean(key, self.fields) or f"Its fields are: {', '.join(self.fields)}."
                misfits.append(Misfit((*path, key), f"has no field {key!r}", near))
        made: dict[str, Any] = {}
        for name, one in self.fields.items():
            if name in value and not (value[name] is None and one.default is None):
                made[name] = one.type._take(value[name], (*path, name), misfits, special)
            elif one.is_needed:
                misfits.append(Misfit(path, f"lacks the field {name!r} ({one.type})", f"Write {name}: …"))
            else:
                made[name] = one.default
        return made


Special = Callable[[ValueType, Any, Path, list[Misfit]], Any]
"""What a type makes of a part that is not plain, at its place; what does not fit is added to the list."""


class BadType(ValueError):
    """A type cannot be read. ``at`` leads to what is wrong, below the declaration; ``suggestion`` says what would be right.

    ``in_key``: it is the key that ``at`` ends in, not its value.
    """

    def __init__(self, message: str, suggestion: str, at: Path = ("type",), in_key: bool = False) -> None:
        super().__init__(message)
        self.message, self.suggestion, self.at, self.in_key = message, suggestion, at, in_key


def type_of(declaration: Mapping[Any, Any]) -> tuple[ValueType | None, list[BadType]]:
    """The type that a declaration gives with ``type`` and ``fields`` (None without one), and what is wrong with it."""
    wrong: list[BadType] = []
    found = None
    try:
        if "type" in declaration:
            found = _read(declaration["type"], 0)
        elif "fields" in declaration:
            found = ValueType("object")
        if "fields" in declaration and found is not None:
            if _innermost(found) != "object":
                raise BadType(f"{found} has no fields", "Write type: object.", ("fields",))
            found = _with_fields(found, dict(_fields(declaration["fields"], wrong, 0)))
    except BadType as error:
        wrong.append(error)
    return found, wrong


def _read(text: Any, depth: int) -> ValueType:
    every = f"The types are: {', '.join(TYPES)}."
    if not isinstance(text, str):
        raise BadType(f"type must be a word, not {describe(text)}", every)
    match = re.fullmatch(_TYPE, text.strip(), re.DOTALL) if len(text) <= 1000 else None
    word, inner = (match[1], match[2]) if match is not None else (text[:100], None)
    if word not in TYPES:
        near = did_you_mean(word, TYPES) or {
            "set": "Did you mean 'list'?",
            "tuple": "Did you mean 'list'?",
        }.get(word)
        raise BadType(f"there is no type {word!r}", near or every)
    if inner is None:
        return ValueType(word)
    if word == "object":
        raise BadType(
            "the fields of an object stand below it", "Write type: object, and fields: {name: type}."
        )
    if word not in _HOLDERS:
        raise BadType(f"{word} holds nothing, so it takes no type in brackets", f"Write type: {word}.")
    if depth >= _DEEPEST:
        raise BadType(f"types are nested more than {_DEEPEST} deep", "Write list or map for what is inside.")
    if not inner.strip():
        raise BadType(f"{word}() needs the type of its items", f"Write type: {word}(string).")
    return ValueType(word, _read(inner, depth + 1))


def _innermost(found: ValueType) -> str:
    while found.holds is not None:
        found = found.holds
    return found.word


def _with_fields(found: ValueType, fields: Mapping[str, Field]) -> ValueType:
    if found.holds is not None:
        return ValueType(found.word, _with_fields(found.holds, fields))
    return ValueType(found.word, None, fields)


def _fields(node: Any, wrong: list[BadType], depth: int) -> Iterator[tuple[str, Field]]:
    if not isinstance(node, dict) or not node:
        raise BadType(
            "fields must be a mapping of names to types", "Write fields: {name: string}.", ("fields",)
        )
    if depth >= _DEEPEST:
        raise BadType(
            f"objects are nested more than {_DEEPEST} deep", "Write object for what is inside.", ("fields",)
        )
    for name, body in node.items():
        place: Path = ("fields", name)
        try:
            if not isinstance(name, str):
                raise BadType(f"a field's name must be a text, not {describe(name)}", "Put it in quotes.", ())
            yield name, _field(body, wrong, depth)
        except BadType as error:
            wrong.append(BadType(error.message, error.suggestion, (*place, *error.at), error.in_key))


def _field(body: Any, wrong: list[BadType], depth: int) -> Field:
    if not isinstance(body, dict):
        try:
            return Field(_read(body, 0))
        except BadType as error:
            raise BadType(error.message, error.suggestion, ()) from None
    for key in body:
        if key not in FIELD_KEYS:
            near = did_you_mean(str(key), FIELD_KEYS) or f"It has: {', '.join(FIELD_KEYS)}."
            raise BadType(f"a field has no field {key!r}", near, (key,), True)
    if "type" not in body and "fields" not in body:
        raise BadType("a field needs a type", "Write type: string.", ())
    found = _read(body["type"], 0) if "type" in body else ValueType("object")
    if "fields" in body:
        if _innermost(found) != "object":
            raise BadType(f"{found} has no fields", "Write type: object.", ("fields",))
        inner: list[BadType] = []
        found = _with_fields(found, dict(_fields(body["fields"], inner, depth + 1)))
        if inner:
            raise inner[0]
    if "default" not in body:
        return Field(found)
    default = plain(body["default"])
    if default is None:
        return Field(found, None)
    default, misfits = found.take(default)
    if misfits:
        where = path_text(("the default", *misfits[0].path))
        raise BadType(f"{where} {misfits[0].summary}", misfits[0].suggestion, ("default", *misfits[0].path))
    return Field(found, default)


def plain(value: Any) -> Any:
    """A value of a document without its positions."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def read_text(kind: str | None, text: str) -> Any:
    """The value of a text from the environment or the command line, by the declared type's word.

    Raises:
        ValueError: it is not even YAML.
    """
    if kind is None or kind in _TEXTUAL:
        return text
    document, found = parse_document("value", text, secret=True)
    if found:
        raise ValueError(f"a value of type {kind}")
    return plain(document.root)
