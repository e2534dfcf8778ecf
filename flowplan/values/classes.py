"""attrs' own `define` and `frozen`, but for one method: the ``__repr__`` of all classes is one and the same function.

attrs writes each class its methods as source text and compiles them when the module is imported. That is most of what a
class costs, a third of it for the method that is called the least, and a plan imports more than a hundred classes.
"""

from __future__ import annotations

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
        if options.get("repr") is None and "__repr__" not in cls.__dict__:
            cls.__repr__ = _repr  # attrs leaves a class the methods that it has
        return maker(cls, **options)


__all__ = ["define", "frozen"]


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
