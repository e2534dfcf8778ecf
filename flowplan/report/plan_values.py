"""Values and their differences in a plan, as Terraform users know them: nested, with what is unchanged hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowplan.report.paint import Paint, clean
from flowplan.values.classes import frozen

ABSENT: tuple[Any, ...] = (None, [], {}, "")
"""Values that are not worth a line of their own in something new."""
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}
_WIDE = 80
"""A list that is longer than this on one line is written one item a line."""
_quoted = json.JSONEncoder(ensure_ascii=False).encode
"""A text as JSON has it."""


def _is_mapping(value: Any) -> bool:
    """Whether a value is a mapping. Nearly all are texts, of which to ask that costs a fifth of a large plan's text."""
    return type(value) is dict or (type(value) not in _BARE and isinstance(value, Mapping))


_SCALARS = frozenset({str, int, float, bool, type(None)})
_BARE = _SCALARS | {list, tuple}


def is_mark(value: Any) -> bool:
    """Whether a value stands for one that is sensitive or not known yet."""
    return _is_mapping(value) and ("$sensitive" in value or "$unknown" in value)


def one_line(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return clean(_quoted(value))
    if _is_mapping(value):
        if "$sensitive" in value:
            return "(sensitive value)"
        if "$unknown" in value:
            return "(known after apply)"
        return "{" + ", ".join(f"{_name(key)} = {one_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(one_line(item) for item in value) + "]"
    return json.dumps(value)


def _name(key: Any) -> str:
    text = str(key)
    return clean(text if text.isidentifier() else _quoted(text))


def _present(value: Any) -> Any:
    if _is_mapping(value) and not is_mark(value):
        return {key: item for key, item in value.items() if item not in ABSENT}
    return value


def _is_script(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value.strip("\n")


def _is_nested(value: Any) -> bool:
    if _is_mapping(value):
        return not is_mark(value)
    return isinstance(value, (list, tuple)) and (
        any(_is_nested(item) or _is_script(item) for item in value) or len(one_line(value)) > _WIDE
    )


def width_of(names: Iterator[str] | Sequence[str]) -> int:
    """How wide a column of names is."""
    return max((len(name) for name in names), default=0)


@frozen
class Writer:
    """Writes values at an indentation of ``depth`` columns, each line with its sign in front."""

    paint: Paint

    def _lead(self, sign: str, depth: int) -> str:
        return " " * depth + (self.paint(sign, _COLOURS[sign]) if sign.strip() else " ") + " "

    def assignment(self, sign: str, label: str, value: Any, depth: int, tail: str = "") -> Iterator[str]:
        """``label = value``, over several lines where it is nested or a script."""
        lead = self._lead(sign, depth)
        if type(value) in _SCALARS and not _is_script(value):
            yield f"{lead}{label} = {one_line(value)}{tail}"
        elif _is_script(value):
            yield f"{lead}{label} = <<-EOT{tail}"
            yield from (f"{' ' * (depth + 6)}{clean(line)}" for line in value.splitlines())
            yield f"{' ' * (depth + 4)}EOT"
        elif _is_mapping(value) and not is_mark(value):
            yield f"{lead}{label} = {{"
            present = _present(value)
            names = {key: _name(key) for key in present}
            wide = width_of(list(names.values()))
            for key, item in present.items():
                yield from self.assignment(sign, names[key].ljust(wide), item, depth + 4)
            yield f"{' ' * (depth + 2)}}}{tail}"
        elif isinstance(value, (list, tuple)) and _is_nested(value):
            yield f"{lead}{label} = ["
            for item in value:
                yield from self._item(sign, item, depth + 4)
            yield f"{' ' * (depth + 2)}]{tail}"
        else:
            yield f"{lead}{label} = {self._dim(value)}{tail}"

    def _dim(self, value: Any) -> str:
        text = one_line(value)
        return self.paint(text, "dim") if is_mark(value) else text

    def _item(self, sign: str, item: Any, depth: int) -> Iterator[str]:
        lead = self._lead(sign, depth)
        if _is_mapping(item) and not is_mark(item) and len(one_line(_present(item))) > _WIDE:
            yield f"{lead}{{"
            present = _present(item)
            wide = width_of([_name(key) for key in present])
            for key, value in present.items():
                yield from self.assignment(sign, _name(key).ljust(wide), value, depth + 4)
            yield f"{' ' * (depth + 2)}}},"
        else:
            yield f"{lead}{one_line(_present(item))},"

    def difference(self, label: str, before: Any, after: Any, depth: int, note: str = "") -> Iterator[str]:
        """What changes from ``before`` to ``after``."""
        lead = self._lead("~", depth)
        if isinstance(before, str) and isinstance(after, str) and (_is_script(before) or _is_script(after)):
            yield f"{lead}{label} = <<-EOT{note}"
            yield from self._script(before, after, depth + 4)
            yield f"{' ' * (depth + 4)}EOT"
        elif _is_block(before) and _is_block(after):
            yield f"{lead}{label} = {{{note}"
            yield from self.entries(before, after, depth + 4)
            yield f"{' ' * (depth + 2)}}}"
        elif (_is_list(before) and _is_list(after) and (_is_nested(before) or _is_nested(after))) or (
            _is_list(before) and _is_list(after) and len(one_line(before)) + len(one_line(after)) > _WIDE
        ):
            yield f"{lead}{label} = [{note}"
            yield from self._items(before, after, depth + 4)
            yield f"{' ' * (depth + 2)}]"
        elif before is None and (_is_nested(after) or _is_script(after)):
            yield from self.assignment("+", label, after, depth, note)
        elif after is None and (_is_nested(before) or _is_script(before)):
            yield from self.assignment("-", label, before, depth, f" -> null{note}")
        else:
            yield f"{lead}{label} = {self._dim(before)} -> {self._dim(after)}{note}"

    def entries(self, before: Mapping[str, Any], after: Mapping[str, Any], depth: int) -> Iterator[str]:
        """What changes between two mappings, by key, in the order of the new one."""
        keys = [*after, *(key for key in before if key not in after)]
        names = {key: _name(key) for key in keys}
        changed = [key for key in keys if key not in before or key not in after or before[key] != after[key]]
        wide = width_of([names[key] for key in changed])
        for key in changed:
            label = names[key].ljust(wide)
            if key not in before:
                yield from self.assignment("+", label, after[key], depth)
            elif key not in after:
                yield from self.assignment("-", label, before[key], depth, " -> null")
            else:
                yield from self.difference(label, before[key], after[key], depth)
        yield from self.hidden(len(keys) - len(changed), "element", depth)

    def _items(self, before: Sequence[Any], after: Sequence[Any], depth: int) -> Iterator[str]:
        import difflib

        old = [json.dumps(item, sort_keys=True) for item in before]
        new = [json.dumps(item, sort_keys=True) for item in after]
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        same = 0
        for tag, at, to, begin, end in matcher.get_opcodes():
            if tag == "equal":
                same += to - at
                continue
            pairs = list(zip(before[at:to], after[begin:end], strict=False))
            alike = [(one, two) for one, two in pairs if _is_block(one) and _is_block(two)]
            if len(alike) == len(pairs) and tag == "replace":
                for one, two in alike:
                    yield f"{self._lead('~', depth)}{{"
                    yield from self.entries(one, two, depth + 4)
                    yield f"{' ' * (depth + 2)}}},"
                at, begin = at + len(alike), begin + len(alike)
            for item in before[at:to]:
                yield from self._item("-", item, depth)
            for item in after[begin:end]:
                yield from self._item("+", item, depth)
        yield from self.hidden(same, "element", depth)

    def _script(self, before: str, after: str, depth: int) -> Iterator[str]:
        """A unified diff of two scripts, with three lines around each change."""
        import difflib

        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]
        for line in lines:
            sign, text = line[:1], clean(line[1:])
            if sign == "@":
                yield " " * depth + self.paint(clean(line), "cyan")
            elif sign in ("+", "-"):
                yield " " * depth + self.paint(f"{sign} {text}", _COLOURS[sign])
            else:
                yield f"{' ' * depth}  {text}".rstrip()
        if not lines:
            yield f"{' ' * depth}  (only blanks at the end differ)"

    def hidden(self, count: int, noun: str, depth: int) -> Iterator[str]:
        """The line that says how much is not shown, because it does not change."""
        if count > 0:
            yield " " * (depth + 2) + self.paint(
                f"# ({count} unchanged {noun}{'s' * (count > 1)} hidden)", "dim"
            )


def _is_block(value: Any) -> bool:
    return _is_mapping(value) and not is_mark(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))
