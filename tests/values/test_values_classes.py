"""The house's `define` and `frozen` make what attrs makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.values import classes

PACKAGE = Path(__file__).parents[2] / "flowplan"


def kinds(maker: Any) -> Iterator[Any]:
    """Instances of classes that ``maker`` makes, the same for every maker."""

    @maker
    class Plain:
        name: str
        _hidden: int = 3
        secret: str = attrs.field(default="s3cret", repr=False)
        shouted: str = attrs.field(default="hi", repr=str.upper)
        parts: list[Any] = attrs.field(factory=list)
        aside: int = attrs.field(default=0, eq=False)
        folded: str = attrs.field(default="x", eq=str.lower)

    @maker
    class One:
        only: Any

    @maker(eq=False)
    class Itself:
        x: int

    @maker
    class Failed(Exception):
        x: int

    @maker(kw_only=True)
    class Below(Plain):
        more: Any = None

    @maker
    class Own:
        x: int

        def __repr__(self) -> str:
            return "own"

    @maker
    class BelowOwn(Own):
        y: int

    @maker(repr=False)
    class Silent(Plain):
        pass

    @maker
    class Empty:
        pass

    plain = Plain("a", parts=[1, Plain("b")])
    plain.parts.append(plain)
    yield from (plain, Below(name="c", more=plain), Own(1), BelowOwn(1, 2), Silent("d"), Empty(), Failed(1))
    yield from (Itself(1), Itself(1), One(1), One(1.0), One((1, 2)), One([1]), One("x"), Empty(), Own(2), 7)
    for change in (
        {},
        {"aside": 1},
        {"folded": "X"},
        {"folded": "y"},
        {"hidden": 4},
        {"secret": ""},
        {"shouted": ""},
    ):
        yield Plain("b", **change)


@pytest.mark.parametrize("name", ["define", "frozen"])
def test_what_is_shown_is_what_attrs_shows(name: str) -> None:
    theirs = [repr(one) for one in kinds(getattr(attrs, name))]
    assert [repr(one) for one in kinds(getattr(classes, name))] == theirs
    assert "s3cret" not in "".join(theirs)


@pytest.mark.parametrize("name", ["define", "frozen"])
def test_all_else_is_what_attrs_makes(name: str) -> None:
    for mine, theirs in zip(kinds(getattr(classes, name)), kinds(getattr(attrs, name)), strict=True):
        assert sorted({*dir(mine)} - {"__repr__"}) == sorted({*dir(theirs)} - {"__repr__"})
        assert hasattr(type(mine), "__slots__") == hasattr(type(theirs), "__slots__")


@pytest.mark.parametrize("name", ["define", "frozen"])
def test_instances_are_equal_where_those_of_attrs_are(name: str) -> None:
    mine, theirs = list(kinds(getattr(classes, name)))[1:], list(kinds(getattr(attrs, name)))[1:]
    assert [[a == b for b in mine] for a in mine] == [[a == b for b in theirs] for a in theirs]
    assert [[a != b for b in mine] for a in mine] == [[a != b for b in theirs] for a in theirs]
    assert [a.__eq__(7) for a in mine] == [a.__eq__(7) for a in theirs]


@pytest.mark.parametrize("name", ["define", "frozen"])
def test_instances_have_a_hash_where_those_of_attrs_have_one_and_equal_ones_the_same(name: str) -> None:
    def hashed(one: Any) -> int | None:
        try:
            return hash(one)
        except TypeError:
            return None

    mine, theirs = list(kinds(getattr(classes, name))), list(kinds(getattr(attrs, name)))
    assert [hashed(one) is None for one in mine] == [hashed(one) is None for one in theirs]
    for a in mine[1:]:
        for b in mine[1:]:
            assert a != b or hashed(a) == hashed(b)


def test_no_module_asks_attrs_itself_for_its_classes() -> None:
    """Else its methods are compiled for nothing with each start."""
    asked = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if path != PACKAGE / "values" / "classes.py"
        if isinstance(node, ast.ImportFrom)
        if node.module in ("attrs", "attr")
        if {"define", "frozen", "mutable"} & {alias.name for alias in node.names}
    ]
    assert asked == []
