"""``fmt`` keeps what a text says and its comments, says the same twice, and has one layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.lang.build import parse_document
from flowplan.lang.document import events
from flowplan.lang.format import format_text

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))


def formatted(text: str, name: str = "stack.yaml") -> str:
    result, found = format_text(name, text)
    assert not found, [f"{one.span}: {one.summary}" for one in found]
    return result


def said(text: str) -> list[tuple[Any, ...]]:
    """All that a parser sees, but for places."""
    names = ("anchor", "tag", "implicit", "value", "style", "flow_style")
    return [(type(event), *(getattr(event, name, None) for name in names)) for event in events(text)]


# -- texts as people write them, and worse ----------------------------------------------------------------------


class Writer:
    """Draws a YAML text with any layout that YAML allows, and comments that can be found again."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.comments = 0
        self.anchors: list[str] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def gap(self) -> str:
        return self.pick("", "", "", " ", "  ", "\t")

    def comment(self) -> str:
        self.comments += 1
        return f"# c{self.comments}" + self.pick("", " said: {so}  ", "'")

    def between(self, indent: int) -> list[str]:
        """Lines that may stand before an entry."""
        lines = []
        for _ in range(self.pick(0, 0, 0, 0, 1, 2)):
            lines.append(
                self.pick("", "", "   ", " " * self.pick(0, indent, indent, indent + 3) + self.comment())
            )
        return lines

    def beside(self) -> str:
        return self.pick("", "", "", "", " ", f"{self.pick(' ', '    ')}{self.comment()}")

    def scalar(self, flow: bool = False) -> str:
        texts = [
            "x", "12", "yes", "''", "'it''s'", '"a \\n b"', '"{{ var.x }}"', "a b c", "~", "0o17", "2026-01-01",
            "'# no comment'", '"tab\\t"', "http://x/y#z",
        ]  # fmt: skip
        return str(self.pick(*texts, *([] if flow else ["a, b", "x [y]", "a {b}", "-x", "?x", ":x"])))

    def key(self, taken: set[str]) -> str:
        names = [f"k{n}" for n in range(9)]
        name = str(self.pick(*[n for n in names if n not in taken]))
        taken.add(name)
        return str(self.pick(name, name, name, f"'{name}'", f'"{name}"'))

    def flow(self, depth: int, indent: int) -> str:
        """A value in brackets, which may go over several lines."""

        def blank() -> str:
            broken = f"\n{' ' * (indent + self.pick(1, 3, 6))}"
            told = f"{self.pick(' ', '')}\n" if self.pick(*[False] * 3, True) else ""
            if told and self.pick(False, True):
                told = f" {self.comment()}\n"
            return str(self.pick("", " ", "  ", broken if told == "" else told + broken[1:]))

        if depth == 0 or self.pick(False, True):
            return self.scalar(flow=True)
        if self.pick(False, True):
            items = [self.flow(depth - 1, indent) for _ in range(self.pick(0, 1, 2, 3))]
            inner = ",".join(f"{blank()}{item}{blank()}" for item in items)
            return f"[{inner}{self.pick('', ',') if items else blank()}]"
        taken: set[str] = set()
        pairs = []
        for _ in range(self.pick(0, 1, 2)):
            pairs.append(
                f"{blank()}{self.key(taken)}{self.pick('', ' ')}: {self.flow(depth - 1, indent)}{blank()}"
            )
        return f"{{{','.join(pairs)}}}"

    def block_text(self, indent: int) -> list[str]:
        """A literal or folded scalar: its header and its lines."""
        deep = indent + self.pick(1, 2, 4)
        header = self.pick("|", ">", "|-", ">-", "|+", ">+")
        if self.pick(False, False, True):
            deep = min(deep, indent + 9)
            header = header[0] + str(deep - indent) + header[1:]
            first = self.pick("  lead", "x")
        else:
            first = self.pick("#!/bin/bash", "x", "{{ var.a }}")
        rest = [
            self.pick("", "  y", "z  ", "# text", "- t", "a: b", "\tq", "   ")
            for _ in range(self.pick(0, 1, 3))
        ]
        if self.pick(False, False, True):
            header += f" {self.comment()}"
        lines = [
            " " * deep + line if line.strip() else self.pick("", " " * (deep - 1), " " * deep + line)
            for line in (first, *rest)
        ]
        return [header, *lines, *self.pick([], [], [""], ["", ""])]

    def long_text(self, indent: int) -> list[str]:
        quote = self.pick("'", '"', "")
        lines = [
            f"{quote}one",
            self.pick("two", "  two  ", "# two" if quote else "two"),
            self.pick("three", "", "\tfour"),
        ]
        if quote == '"':
            lines[1] += self.pick("", " \\", "\\ ", " ")
        last = f"end{quote}"
        return [
            lines[0],
            *(" " * (indent + 2) + line for line in lines[1:]),
            " " * (indent + self.pick(1, 4)) + last,
        ]

    def value(self, head: str, depth: int, indent: int, in_sequence: bool = False) -> list[str]:
        """The lines of an entry whose key or dash is ``head``; ``indent`` is the column of its collection."""
        sort = self.pick(
            "scalar", "scalar", "flow", "block", "text", "long", "empty", "mapping", "sequence", "alias"
        )
        if depth == 0 and sort in ("mapping", "sequence"):
            sort = "scalar"
        anchor = ""
        if sort not in ("alias", "empty") and self.pick(*[False] * 5, True):
            self.anchors.append(f"a{len(self.anchors)}")
            anchor = f" &{self.anchors[-1]}"
        space = self.pick(" ", " ", "  ")
        if sort == "alias" and self.anchors and not anchor:
            return [f"{head}{space}*{self.pick(*self.anchors)}{self.beside()}"]
        if sort == "text":
            header, *lines = self.block_text(indent)
            return [f"{head}{anchor} {header}", *lines]
        if sort == "long":
            first, *lines = self.long_text(indent)
            return [f"{head}{anchor}{space}{first}", *lines]
        if sort == "flow":
            lines = f"{head}{anchor}{space}{self.flow(2, indent)}".split("\n")
            return [*lines[:-1], lines[-1] + self.beside()]
        if sort in ("mapping", "sequence"):
            compact = in_sequence and not anchor and self.pick(True, False)
            deeper = indent + (1 + len(space) if compact else self.pick(1, 2, 4))
            if sort == "sequence" and not in_sequence and self.pick(True, False):
                deeper = indent
            lines = self.mapping(depth - 1, deeper) if sort == "mapping" else self.sequence(depth - 1, deeper)
            if compact:
                while not lines[0].strip() or lines[0].lstrip().startswith("#"):
                    lines.pop(0)
                return [f"{head}{space}{lines[0].lstrip()}", *lines[1:]]
            return [f"{head}{anchor}{self.beside()}", *lines]
        if sort == "empty":
            return [f"{head}{anchor}{self.beside()}"]
        return [f"{head}{anchor}{space}{self.scalar()}{self.beside()}"]

    def mapping(self, depth: int, indent: int) -> list[str]:
        taken: set[str] = set()
        lines: list[str] = []
        for _ in range(self.pick(1, 2, 3)):
            lines += self.between(indent)
            head = f"{' ' * indent}{self.key(taken)}{self.pick('', '', ' ')}:"
            lines += self.value(head, depth, indent)
        return lines

    def sequence(self, depth: int, indent: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.pick(1, 2, 3)):
            lines += self.between(indent)
            lines += self.value(f"{' ' * indent}-", depth, indent, in_sequence=True)
        return lines


@st.composite
def texts(draw: Any) -> str:
    """YAML texts of any layout."""
    writer = Writer(draw)
    lines = [*writer.between(0), *writer.pick([], [], ["---"])]
    lines += writer.mapping(3, 0) if writer.pick(True, True, False) else writer.sequence(3, 0)
    lines += writer.between(0) + writer.pick([], [], ["..."])
    end = writer.pick("\n", "\n", "\r\n")
    return str(end.join(lines) + writer.pick(end, end, ""))


def is_yaml(text: str) -> bool:
    try:
        list(events(text))
    except yaml.YAMLError:
        return False
    return not parse_document("s.yaml", text)[1]


@given(texts())
@settings(max_examples=250, deadline=None)
def test_meaning_and_comments_stay_and_twice_is_once(text: str) -> None:
    if not is_yaml(text):
        return  # the writer is free enough to write what is none
    result = formatted(text)
    assert said(result) == said(text)
    assert parse_document("s.yaml", result)[0].root == parse_document("s.yaml", text)[0].root
    assert comments(result) == comments(text)
    assert formatted(result) == result
    lines = result.split("\n")
    assert ("\r" in result) == ("\r\n" in text)
    assert lines[0].strip() or len(lines) == 1


def comments(text: str) -> list[str]:
    return [found.strip() for found in re.findall(r"# c\d+[^\n]*", text)]


@given(texts(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_spoilt_texts_are_refused_or_keep_their_meaning(text: str, random: Any) -> None:
    position = random.randrange(len(text) + 1)
    spoilt = (
        text[:position]
        + random.choice([" ", "\n", ":", "\t", "{", "'", "-", "\u2028", "#", "\x00"])
        + text[position:]
    )
    result, found = format_text("s.yaml", spoilt)
    if found.has_errors:
        assert result == spoilt
    else:
        assert said(result) == said(spoilt)
        assert format_text("s.yaml", result)[0] == result


# -- the layout itself ------------------------------------------------------------------------------------------

UNTIDY = """\


# head

stack:   s
volumes:      # what stays
# the data
    data: {a: 1,b : [ 1,2 ], c: { }}   # one
    more: {}                           # two


    last:
          size_gb: 1
          # inside
    # beside
tasks:
- a
-   b: 1
    c: 2
- - x
# end
next:
   command: |   # a script
        #!/bin/bash
          echo  x@@

        # kept


   long: "one
         two"
   list: [
   a, b,   # why
      {x: 1,
      y: 2},
      # more to come
   ]
   anchor: &a
      k: v
   use: {<<: *a, z: *a }
   "quoted" : *a
   empty:
      # for later: 1
"""
TIDY = """\
# head

stack: s
volumes:  # what stays
  # the data
  data: {a: 1, b: [1, 2], c: {}}  # one
  more: {}                        # two

  last:
    size_gb: 1
    # inside
  # beside
tasks:
  - a
  - b: 1
    c: 2
  - - x
# end
next:
  command: |  # a script
    #!/bin/bash
      echo  x@@

    # kept

  long: "one
    two"
  list: [
      a, b,  # why
      {x: 1,
        y: 2},
      # more to come
    ]
  anchor: &a
    k: v
  use: {<<: *a, z: *a}
  "quoted": *a
  empty:
    # for later: 1
"""


def test_what_is_untidy_becomes_tidy() -> None:
    untidy, tidy = UNTIDY.replace("@", " "), TIDY.replace("@", " ")
    assert formatted(untidy) == tidy
    assert formatted(tidy) == tidy


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_examples_are_tidy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text, path.name) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("\n\n", ""),
        ("# only words  \n\n\n#more", "# only words\n\n#more\n"),
        ("a: 1", "a: 1\n"),
        ("a:   1\r\n\r\n\r\nb:   2", "a: 1\r\n\r\nb: 2\r\n"),
        ("\ufeffa:   1\n", "\ufeffa: 1\n"),
        ("%YAML 1.2\n---\na:  1\n...\n", "%YAML 1.2\n---\na: 1\n...\n"),
        ("a: |\n    x", "a: |\n  x"),
        ("a: |\n  x\n    ", "a: |\n  x\n    "),
        ("a: |+\n    x\n\n\n", "a: |+\n  x\n\n\n"),
        ("a: |-\n    x\n\n\n", "a: |-\n  x\n"),
        ("a: |4-\n      x\n", "a: |2-\n    x\n"),
        ("a:\n- b\n# to a\nc: 1\n", "a:\n  - b\n# to a\nc: 1\n"),
        ("? a\n: - b\n  - c\n", "? a\n: - b\n  - c\n"),
        ("a: [x , 'y' ,{ z : } ]\n", "a: [x, 'y', {z: }]\n"),
        ("a: !!str   1\nb:  !!int '2'\n", "a: !!str 1\nb: !!int '2'\n"),
        ("{a: 1,   b: 2}\n", "{a: 1, b: 2}\n"),
    ],
)
def test_one_thing_at_a_time(text: str, wanted: str) -> None:
    assert formatted(text) == wanted
    assert formatted(wanted) == wanted


def test_what_is_no_yaml_is_refused_at_its_place() -> None:
    text = "a: 1\n\tb: 2\n"
    result, found = format_text("s.yaml", text)
    assert result == text
    [one] = found
    assert str(one.span).startswith("s.yaml:2:")
    assert format_text("s.yaml", "a: 1\na: 2\nb:   {{ x }}\n")[1].has_errors
    assert formatted("a:  1\na:  2\n") == "a: 1\na: 2\n"  # to say so is for validate


def test_a_text_whose_line_breaks_are_unusual_is_left_as_it_is() -> None:
    text = "a: |\n    one\u2028    two\nb:   1\n"
    result, found = format_text("s.yaml", text)
    assert (result == text) == found.has_errors


def test_the_lines_of_a_file_of_values_are_not_shown() -> None:
    _, found = format_text("flowplan.vars.yaml", "token: 'hunter2\n")
    assert found.has_errors
    assert all("hunter2" not in f"{one.summary}{one.detail}{one.snippet}" for one in found)


def test_large_texts_take_a_time_that_grows_with_them() -> None:
    rows = "".join(f"  t{n}:   {{a: [1,2], b: x}}   # c\n" for n in range(3000))
    assert formatted(f"tasks:\n{rows}").count("# c") == 3000
