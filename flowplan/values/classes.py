"""attrs' own `define` and `frozen`, but for the methods that are seldom called: those are not made for each class anew.

attrs writes each class its methods as source text and compiles them when the module is imported. That is most of what a
class costs, half of it for ``__repr__``, ``__eq__`` and ``__hash__``, and a plan imports more than a hundred classes. So
here they are closures over one compiled function each, and say just what those of attrs say. A class that is compared
or hashed time and again says ``eq=True``, and gets attrs' own, which are a little faster.
"""

from __future__ import annotations

from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from attrs import define, frozen
else:

    def define(cls=None, **options):
        """As `attrs.define`."""
        return _made(attrs.define, cls, options)

    def frozen(cls=None, **options):
        """As `attrs.frozen`."""
        return _made(attrs.frozen, cls, options)

    def _made(maker, cls, options):
        if cls is None:
            return lambda cls: _made(maker, cls, options)
        own = cls.__dict__  # attrs leaves a class the methods that it has
        if "repr" not in options and "__repr__" not in own:
            cls.__repr__ = _repr
        is_plain = not hasattr(cls, "__attrs_attrs__") and not issubclass(cls, BaseException)
        if is_plain and _OTHERWISE.isdisjoint(options) and own.keys().isdisjoint(("__eq__", "__hash__")):
            return _comparable(maker, cls, options)
        return maker(cls, **options)

    def _comparable(maker, cls, options):
        def __eq__(self, other):  # noqa: N807 - it becomes the class's
            return parts(self) == parts(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self):  # noqa: N807
            return hash(parts(self))

        cls.__eq__, cls.__hash__ = __eq__, __hash__ if maker is attrs.frozen else None
        made = maker(cls, **options)
        parts = _parts([one for one in made.__attrs_attrs__ if one.eq])
        return made


__all__ = ["define", "frozen"]
_OTHERWISE = {"eq", "order", "unsafe_hash", "cache_hash", "frozen"}
"""Options that decide how instances compare; where one is given, attrs heeds it."""


def _parts(fields: list[Any]) -> Any:
    """What gives the values of these fields, as they are compared."""
    if any(one.eq_key is not None for one in fields):
        keys = [(attrgetter(one.name), one.eq_key or (lambda value: value)) for one in fields]
        return lambda self: [key(get(self)) for get, key in keys]
    return attrgetter(*(one.name for one in fields)) if fields else lambda self: ()


@recursive_repr()
def _repr(self: Any) -> str:
    """The class and its fields, but for those with ``repr=False``, just as attrs writes it."""
    told = [
        f"{one.name}={one.repr(value) if callable(one.repr) else repr(value)}"
        for one in self.__attrs_attrs__
        if one.repr
        for value in (getattr(self, one.name, attrs.NOTHING),)
    ]
    return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(told)})"
