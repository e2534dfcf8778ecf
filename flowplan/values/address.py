"""Addresses: how a resource is named in a stack, in state, in plans and in messages."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from attrs import field

from flowplan.values.classes import frozen

NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""What a resource, variable, output or module may be called (stack-language.md, decision 5)."""


class Kind(Enum):
    """A kind of resource; the value is its singular word, as it stands in addresses."""

    VOLUME = "volume"
    RESERVATION = "reservation"
    TASK = "task"

    # Why: there is one member of each, and an enum's own hash is computed anew, in Python, for every look into a mapping.
    __hash__ = object.__hash__

    @property
    def section(self) -> str:
        """The plural word that heads the kind's section in a stack file."""
        return self.value + "s"

    @property
    def rank(self) -> int:
        """Where the kind stands in listings: what others build on comes first."""
        return _RANK[self]


_RANK = {kind: index for index, kind in enumerate(Kind)}
_BY_WORD = {kind.value: kind for kind in Kind}

_KEYED = r"(?:\[(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')\])?"
_ADDRESS = re.compile(
    rf"(?P<modules>(?:module\.[a-z][a-z0-9_-]*{_KEYED}\.)*)"
    r"(?P<kind>[a-z]+)\.(?P<name>[a-z][a-z0-9_-]*)"
    r"(?:\[(?:\"(?P<key>(?:[^\"\\]|\\.)*)\"|'(?P<key2>(?:[^'\\]|\\.)*)')\])?"
)
_MODULE = (
    r"module\.(?P<name>[a-z][a-z0-9_-]*)"
    r"(?:\[(?:\"(?P<key>(?:[^\"\\]|\\.)*)\"|'(?P<key2>(?:[^'\\]|\\.)*)')\])?\."
)


def _escape(key: str) -> str:
    return key.replace("\\", "\\\\").replace('"', '\\"')


def _unescape(key: str) -> str:
    return re.sub(r"\\(.)", r"\1", key)


@frozen(order=False, cache_hash=True)
class Address:
    """The name of one resource instance: ``kind.name``, ``kind.name["key"]``, ``module.m.kind.name``.

    ``module`` is the path of module calls from the root, each part as it is written (``net`` or
    ``net["a"]``); ``key`` is the ``for_each`` key, or None for a resource without ``for_each``.
    """

    kind: Kind
    name: str
    key: str | None = None
    module: tuple[str, ...] = ()
    _text: str = field(init=False, eq=False, repr=False)
    sort_key: tuple[tuple[str, ...], int, str, bool, str] = field(init=False, eq=False, repr=False)
    """Orders addresses by module, then kind, then name, then key."""

    def __attrs_post_init__(self) -> None:
        text = f"{self.kind._value_}.{self.name}"
        if self.module:
            text = "".join(f"module.{part}." for part in self.module) + text
        if self.key is not None:
            text += f'["{_escape(self.key)}"]'
        object.__setattr__(self, "_text", text)
        order = (self.module, _RANK[self.kind], self.name, self.key is not None, self.key or "")
        object.__setattr__(self, "sort_key", order)

    def __str__(self) -> str:
        return self._text

    def __lt__(self, other: Address) -> bool:
        return self.sort_key < other.sort_key

    @property
    def resource(self) -> Address:
        """The address without its ``for_each`` key: the declaration this instance comes from."""
        return self if self.key is None else Address(self.kind, self.name, None, self.module)

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that ``text`` spells; ``str`` of it is canonical.

        Raises:
            ValueError: ``text`` is no address; the message says what one looks like.
        """
        return _parse(text)


@lru_cache(maxsize=262_144)
def plain_address(kind: Kind, name: str) -> Address:
    """The address ``kind.name``; always the same object, so that looking it up compares nothing."""
    return Address(kind, name)


def _parse(text: str) -> Address:
    word, _, name = text.partition(".")
    known = _BY_WORD.get(word)
    if known is not None and NAME.fullmatch(name):
        return plain_address(known, name)
    return _parse_any(text)


@lru_cache(maxsize=65536)
def _parse_any(text: str) -> Address:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is not an address; write one as task.train or task.train["key"]')
    kind = _BY_WORD.get(match["kind"])
    if kind is None:
        words = ", ".join(_BY_WORD)
        raise ValueError(f"{match['kind']!r} is not a kind of resource; the kinds are {words}")
    key = match["key"] if match["key"] is not None else match["key2"]
    modules = _parts(match["modules"])
    return Address(kind, match["name"], None if key is None else _unescape(key), modules)


def _parts(text: str) -> tuple[str, ...]:
    """The parts of a path of module calls that ends in a dot, as they are written."""
    found = []
    for match in re.finditer(_MODULE, text):
        key = match["key"] if match["key"] is not None else match["key2"]
        found.append(module_part(match["name"], None if key is None else _unescape(key)))
    return tuple(found)


def module_part(name: str, key: str | None = None) -> str:
    """One part of the path of module calls, as `Address.module` has it: ``net``, or ``net["a"]``."""
    return name if key is None else f'{name}["{_escape(key)}"]'


def module_path(text: str) -> tuple[str, ...] | None:
    """The path that the address of a module spells (``module.a``, ``module.a["k"].module.b``); None for other texts."""
    dotted, part = f"{text}.", re.compile(_MODULE)
    position = 0
    while match := part.match(dotted, position):
        position = match.end()
    return _parts(dotted) if position == len(dotted) else None
