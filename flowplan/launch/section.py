"""The templates of the startup script's sections, and the one way a value gets into them."""

from __future__ import annotations

import shlex
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def quoted(value: str | int) -> str:
    """``value`` as one word of a shell command, whatever bytes it holds (the ``sh`` filter).

    A value without special characters stays as it is, so digits and base64 read plainly.
    """
    return shlex.quote(str(value))


def _source(name: str) -> str:
    return files(__package__).joinpath("templates", f"{name}.sh.j2").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    # Autoescaping is for HTML; here every expression ends in the sh filter, which a test checks.
    environment = Environment(  # noqa: S701
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters["sh"] = quoted
    return environment


def section(name: str, /, **values: Any) -> str:
    """The text of one section.

    Raises:
        jinja2.UndefinedError: the template asks for a value it was not given; a mistake in this package.
    """
    return _environment().get_template(name).render(values)
