"""Task files: a `TaskConfig` as YAML text and back, without loss.

The one place outside `flowplan.lang` that imports YAML, and only when a file is read or written. The scalars
are those of the YAML 1.2 core schema, as in stack files: ``on`` is text, ``3e-4`` a number.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from flowplan.models.task_config import TaskConfig
from flowplan.values.bounded import read_at_most
from flowplan.values.convert import Invalid, Problem, structure, unstructure

LIMIT_BYTES = 16 * 1024 * 1024
"""The largest task file that is read."""
_CORE = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
)
"""The plain scalars that are not text: their tag, their form, the characters they begin with."""


_EXOTIC_BREAK = re.compile("[\x85\u2028\u2029\ufeff]")


def write(config: TaskConfig, path: str | Path) -> None:
    """Write ``config`` to the file at ``path``.

    Raises:
        OSError: it cannot be written.
    """
    Path(path).write_text(dump(config), encoding="utf-8")


def read(path: str | Path) -> TaskConfig:
    """The task in the file at ``path``.

    Raises:
        Invalid: it holds no valid task; with all problems.
        OSError: it cannot be read.
    """
    try:
        text = read_at_most(Path(path), LIMIT_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid([Problem((), f"{path} is not UTF-8 text")]) from None
    return parse(text, str(path))


def dump(config: TaskConfig) -> str:
    """The YAML text of a task: its fields in their order, those that are null left out."""
    import yaml

    text: str = yaml.dump(
        _without_nulls(config),
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=2**20,
    )
    return text


def parse(text: str, source: str = "the task file") -> TaskConfig:
    """The task that YAML ``text`` spells; ``source`` is what messages call it.

    Raises:
        Invalid: it spells none; with all problems.
    """
    import yaml

    try:
        data = yaml.load(text, Loader=_loader())  # noqa: S506 -- a safe loader with fewer types
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise Invalid([Problem((), f"{place}: not YAML: {error.problem}")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid([Problem((), f"{source}: not YAML: {str(error).splitlines()[0]}")]) from None
    if not isinstance(data, dict):
        raise Invalid([Problem((), f"{source} must hold a mapping of the fields of a task")])
    return structure(TaskConfig, data)


def _without_nulls(value: Any) -> Any:
    """A model as data without null fields; what a user's free mappings hold is left as it is."""
    if attrs.has(type(value)):
        return {
            name: _without_nulls(held)
            for name in (a.name for a in attrs.fields(type(value)))
            if (held := getattr(value, name)) is not None
        }
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return unstructure(value)


@cache
def _loader() -> Any:
    import yaml

    class CoreLoader(yaml.SafeLoader):
        """A safe loader of the core schema that refuses a key given twice."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in seen:
                        raise yaml.constructor.ConstructorError(
                            None, None, f"the key {key.value!r} is given twice", key.start_mark
                        )
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    _resolve_core(CoreLoader)
    CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _integer(node.value))
    CoreLoader.add_constructor(
        "tag:yaml.org,2002:float",
        lambda loader, node: float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan")),
    )
    return CoreLoader


@cache
def _dumper() -> Any:
    import yaml

    class CoreDumper(yaml.SafeDumper):
        """A safe dumper that quotes whatever either version of YAML would not read as text; no anchors."""

        yaml_implicit_resolvers = {k: list(v) for k, v in yaml.SafeDumper.yaml_implicit_resolvers.items()}  # noqa: RUF012

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        # Why: written raw, these three line breaks come back as newlines.
        style = '"' if _EXOTIC_BREAK.search(value) else "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    _resolve_core(CoreDumper)
    CoreDumper.add_representer(str, text)
    return CoreDumper


def _resolve_core(kind: Any) -> None:
    for tag, form, first in _CORE:
        kind.add_implicit_resolver(tag, re.compile(rf"(?:{form})\Z"), first)


def _integer(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text, 16) if text.startswith("0x") else int(text)
