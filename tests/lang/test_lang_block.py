"""The reader of the plain block form against the YAML parser: the same values at the same offsets, or no answer."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.lang.block import UNSURE, read_block
from flowplan.lang.compose import compose
from flowplan.lang.document import Document, Map, Seq

ROOT = Path(__file__).parents[2]
TEXTS = [
    path.read_text(encoding="utf-8", errors="replace")
    for folder in ("examples", "tests/broken", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".yaml", ".yml", ".stack")
]
PAGES = [
    block
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for block in re.findall(
        r"^```yaml\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
]
PLAIN = """\
# A stack in the plain block form.
stack: whole
requires: ">=0.0"
provider: {type: sandbox, region: us-central1-b}

variables:
  nodes: {type: int, default: 4, description: Nodes}   # a comment
  names:
    type: list(string)
    default: [a, 'b c', "d: e"]
  empty:
  none: ~
volumes:
  data:
    size_gb: 12
    name: null
tasks:
  train:   # below
    ports: [8080, 8081]
    price: 1.50
    time: 12:30
    image: nvcr.io/nvidia/pytorch:24.05-py3
    env: {A: "1", B: x y, C: [1, {D: 2}], E: {}}
    volumes:
    - volume: "{{ volume.data }}"
      mount_path: /data
    - {volume: "{{ volume.data }}"}
    - plain
    - -1
    - [1, 2]
    depends_on:
      - task.prepare
      # between
      - 'task.other'
    command: |
      #!/bin/bash
      echo hi   # no comment

        deeper
      python train.py --x="{{ var.nodes }}"


    tail: |-
      one
       two

  # at the end
  prepare:
    'quoted key': it's
    "q": yes
    dash-key: -x
    n: 0x1F
    url: http://a.b/c#d
outputs:
"""


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in type, value, order and position."""
    if type(one) is not type(other):
        return False
    if type(one) is Map:
        return (
            one.at == other.at
            and one.marks == other.marks
            and list(one) == list(other)
            and all(same(one[key], other[key]) for key in one)
        )
    if type(one) is Seq:
        return (
            one.at == other.at
            and one.marks == other.marks
            and len(one) == len(other)
            and all(map(same, one, other))
        )
    return bool(one == other) or (one != one and other != other)


def agrees(text: str) -> bool:
    """Whether the reader had an answer; where it had one, it must be the parser's."""
    found = read_block(text)
    if found is UNSURE:
        return False
    document = Document("s.yaml", text)
    problems = compose(document)
    assert not list(problems), (text, [one.summary for one in problems])
    assert same(found, document.root), (text, found, document.root)
    quick = Document("s.yaml", text)
    quick.root, quick.is_block = found, True
    for mark in marks(found):
        assert quick.end_of(mark) == document.end_of(mark), (
            text,
            mark,
            quick.end_of(mark),
            document.end_of(mark),
        )
    return True


def marks(value: Any) -> Iterator[int]:
    """Every offset that a value knows."""
    if type(value) in (Map, Seq):
        yield value.at
        yield from value.marks
        for item in value.values() if type(value) is Map else value:
            yield from marks(item)


def test_the_plain_form_is_read() -> None:
    assert agrees(PLAIN)
    assert agrees("---\n" + PLAIN)
    assert agrees("# first\n---\na: 1\n")


def test_nearly_all_examples_are_read_so() -> None:
    assert sum(agrees(path.read_text()) for path in sorted((ROOT / "examples").rglob("*.yaml"))) >= 2


@pytest.mark.parametrize("texts", [TEXTS, PAGES], ids=["files", "pages"])
def test_every_text_of_the_repository_is_read_alike(texts: list[str]) -> None:
    assert sum(agrees(text) for text in texts) > len(texts) // 3


PIECES = [
    "a: ", "b:", "- ", "-", "  ", "    ", "\n", "\n", "\n\n", "#", " # x", "'", '"', "{", "}", "[", "]", ",", ":", ": ", "|", "|-", "|+", ">", "x", "y z", "1", "-1", "0x1", "1.5",
    "null", "~", "true", "no", "<<: ", "*a", "&a ", "!!int ", "!", "%", "@", "`", "?", "? ", "---\n", "...\n", "\t", "\r", "é", "\u2028", "\x85", "\ufeff", "\U0001f600", "\\", "''", '""',
    "a: 1\n", "b: {c: d}\n", "- a: 1\n", "  - [1, 2]\n", "c: |\n  text\n", "    more\n", "$", "=", "a.b/c", "key with space: v\n", "[a, b]", "{a: 1, b: 'x'}", ",}", ", ]", "a:b", "a#b",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_random_texts_are_read_alike(pieces: list[str]) -> None:
    agrees("".join(pieces) + "\n")


def test_changed_texts_are_read_alike() -> None:
    random_of = random.Random(20261128)
    read = 0
    for _ in range(1500):
        lines = random_of.choice([PLAIN, PLAIN, *TEXTS]).splitlines(keepends=True)
        for _ in range(random_of.randint(1, 3)):
            at = random_of.randrange(len(lines) or 1)
            line = lines[at] if lines else ""
            cut = random_of.randrange(len(line) + 1)
            change = random_of.randrange(5)
            if change == 0:
                line = line[:cut] + random_of.choice(PIECES) + line[cut:]
            elif change == 1:
                line = line[:cut] + line[cut + 1 :]
            elif change == 2:
                line = " " * random_of.randrange(8) + line.lstrip(" ")
            elif change == 3:
                line = line + random_of.choice(lines or [""])
            else:
                line = ""
            lines[at : at + 1] = [line]
        read += agrees("".join(lines))
    assert read > 300
