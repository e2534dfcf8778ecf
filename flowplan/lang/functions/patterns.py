"""Regular expressions that cannot run away: a pattern becomes a small program, run over all its ways at once.

Python's own engine tries one way after the other, and a hostile pattern makes it try more than there are atoms. Here
the work is at most the length of the text times the length of the program (Thompson, Pike), and what is found is what
Python's engine would find: the first match, each choice in the order written. There are no back-references and no
looking around; nothing that needs them is refused silently.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flowplan.values.classes import frozen

MAX_PATTERN = 1000
"""The longest pattern, in characters."""
MAX_PROGRAM = 2000
"""The longest program, in steps; a repetition counts as often as it repeats."""
MAX_GROUPS = 20
"""The most groups that are kept."""
MAX_NESTING = 50
"""The deepest nesting of groups."""

Test = Callable[[str], bool]
CLASSES: dict[str, Test] = {
    "d": str.isdecimal,
    "w": lambda c: c.isalnum() or c == "_",
    "s": str.isspace,
}
"""What the classes ``\\d``, ``\\w`` and ``\\s`` hold."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}

CHAR, SPLIT, JUMP, SAVE, START, END, BOUND, NOT_BOUND, DONE = range(9)
"""The kinds of steps. A step is a tuple: the kind and its one or two operands."""
Step = tuple[Any, ...]


class BadPattern(ValueError):
    """A pattern cannot be read, or uses what there is not; the message says what."""


@frozen
class Pattern:
    """A compiled pattern: its steps, how many groups it has, and which have names."""

    steps: tuple[Step, ...]
    groups: int
    names: dict[str, int]


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """The program of a pattern.

    Raises:
        BadPattern: it cannot be read, or is too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(f"a pattern may have {MAX_PATTERN:,} characters at most")
    reader = _Reader(pattern)
    tree = reader.alternatives(0)
    if reader.at < len(pattern):
        raise BadPattern("a ) closes nothing")
    writer = _Writer()
    writer.write(tree)
    return Pattern((*writer.steps, (SAVE, 1), (DONE,)), reader.groups, reader.names)


class _Reader:
    """Reads a pattern into a tree of tuples: the kind and its parts."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.groups = pattern, 0, 0
        self.names: dict[str, int] = {}
        self.caseless = self.dotall = self.multiline = False
        if (
            pattern.startswith("(?")
            and (close := pattern.find(")")) > 0
            and set(pattern[2:close]) <= set("ims")
        ):
            flags = pattern[2:close]
            self.caseless, self.multiline, self.dotall = "i" in flags, "m" in flags, "s" in flags
            self.at = close + 1

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise BadPattern("the pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self, depth: int) -> Any:
        if depth > MAX_NESTING:
            raise BadPattern(f"groups are nested more than {MAX_NESTING} deep")
        ways = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            ways.append(self.sequence(depth))
        return ways[0] if len(ways) == 1 else ("or", ways)

    def sequence(self, depth: int) -> Any:
        parts: list[Any] = []
        while (peeked := self.peek()) and peeked not in "|)":
            parts.append(self.repeated(self.atom(depth)))
        return ("seq", parts)

    def repeated(self, atom: Any) -> Any:
        low, high = self.bounds()
        if low is None:
            return atom
        if atom[0] in ("at", "empty"):
            raise BadPattern("there is nothing to repeat")
        lazy = self.peek() == "?"
        self.at += lazy
        if self.peek() in ("+", "*", "?") and self.peek():
            raise BadPattern("a repetition cannot be repeated")
        return ("repeat", atom, low, high, lazy)

    def bounds(self) -> tuple[int | None, int | None]:
        sign = self.peek()
        if sign and sign in "*+?":
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if sign != "{":
            return None, None
        close = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at + 1 : close].partition(",")
        digits = (low.isdecimal() or (not low and comma)) and (not high or high.isdecimal())
        if close < 0 or not digits or not (low or high) or len(low + high) > 8:
            return None, None  # a brace that stands for itself
        self.at = close + 1
        least, most = int(low or 0), int(high) if high else None if comma else int(low)
        if most is not None and most < least:
            raise BadPattern("a repetition has its bounds the wrong way round")
        if max(least, most or 0) > MAX_PROGRAM:
            raise BadPattern("a repetition is too long")
        return least, most

    def atom(self, depth: int) -> Any:
        character = self.take()
        if character == "(":
            return self.group(depth)
        if character == "[":
            return ("char", self.set())
        if character == ".":
            return ("char", (lambda c: True) if self.dotall else (lambda c: c != "\n"))
        if character == "^":
            return ("at", START, self.multiline)
        if character == "$":
            return ("at", END, self.multiline)
        if character == "\\":
            return self.escape()
        if character in "*+?":
            raise BadPattern("there is nothing to repeat")
        return ("char", self.literal(character))

    def group(self, depth: int) -> Any:
        number = None
        if self.peek() == "?":
            self.at += 1
            kind = self.take()
            if kind == "P" and self.peek() == "<":
                self.at += 1
                close = self.pattern.find(">", self.at)
                name = self.pattern[self.at : max(close, self.at)]
                if not name.isidentifier() or name in self.names:
                    raise BadPattern("a group's name is a word, and each has its own")
                self.at = close + 1
                number = self.groups = self.groups + 1
                self.names[name] = number
            elif kind != ":":
                raise BadPattern(f"(?{kind} is not supported: no looking around, and flags only at the start")
        else:
            number = self.groups = self.groups + 1
        if self.groups > MAX_GROUPS:
            raise BadPattern(f"a pattern may have {MAX_GROUPS} groups at most; (?:…) groups without keeping")
        inner = self.alternatives(depth + 1)
        if self.peek() != ")":
            raise BadPattern("a ( is never closed")
        self.at += 1
        return inner if number is None else ("group", number, inner)

    def escape(self) -> Any:
        letter = self.take()
        if letter in "bB":
            return ("at", BOUND if letter == "b" else NOT_BOUND, False)
        if letter in "AZ":
            return ("at", START if letter == "A" else END, None)
        return ("char", self.escaped(letter))

    def escaped(self, letter: str) -> Test:
        if letter.lower() in CLASSES:
            test = CLASSES[letter.lower()]
            return test if letter.islower() else (lambda c: not test(c))
        return self.literal(self.plain(letter))

    def plain(self, letter: str) -> str:
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter in "xu":
            digits = self.pattern[self.at : self.at + (2 if letter == "x" else 4)]
            self.at += len(digits)
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise BadPattern(f"\\{letter} takes hexadecimal digits") from None
        if letter.isdecimal():
            raise BadPattern("back-references are not supported")
        if letter.isalpha() and letter.isascii():
            raise BadPattern(f"\\{letter} is not supported")
        return letter

    def literal(self, character: str) -> Test:
        if self.caseless:
            low, high = character.lower(), character.upper()
            return lambda c: c == character or c.lower() == low or c.upper() == high
        return character.__eq__

    def set(self) -> Test:
        negated = self.peek() == "^"
        self.at += negated
        tests: list[Test] = []
        first = True
        while True:
            character = self.take()
            if character == "]" and not first:
                break
            first = False
            if character == "\\":
                letter = self.take()
                if letter.lower() in CLASSES:
                    tests.append(self.escaped(letter))
                    continue
                character = "\b" if letter == "b" else self.plain(letter)
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                end = self.take()
                if end == "\\":
                    end = self.plain(self.take())
                if end < character:
                    raise BadPattern(f"the range {character}-{end} runs backwards")
                tests.append(self.within(character, end))
            else:
                tests.append(self.literal(character))
        if negated:
            return lambda c: not any(test(c) for test in tests)
        return lambda c: any(test(c) for test in tests)

    def within(self, low: str, high: str) -> Test:
        if self.caseless:
            return lambda c: low <= c <= high or low <= c.lower() <= high or low <= c.upper() <= high
        return lambda c: low <= c <= high


class _Writer:
    """Writes the steps of a tree."""

    def __init__(self) -> None:
        self.steps: list[Step] = [(SAVE, 0)]
        self.work = 0

    def write(self, tree: Any) -> None:
        self.work += 1
        # Why both: an empty group that is repeated writes nothing, and takes its time
        if len(self.steps) > MAX_PROGRAM or self.work > 4 * MAX_PROGRAM:
            raise BadPattern(f"the pattern has more than {MAX_PROGRAM:,} steps")
        kind, steps = tree[0], self.steps
        if kind == "char":
            steps.append((CHAR, tree[1]))
        elif kind == "at":
            steps.append((tree[1], tree[2]))
        elif kind == "seq":
            for part in tree[1]:
                self.write(part)
        elif kind == "group":
            steps.append((SAVE, 2 * tree[1]))
            self.write(tree[2])
            steps.append((SAVE, 2 * tree[1] + 1))
        elif kind == "or":
            self.either(tree[1])
        else:
            self.repeat(*tree[1:])

    def either(self, ways: list[Any]) -> None:
        steps, leave = self.steps, []
        for way in ways[:-1]:
            split = self.hole()
            self.write(way)
            leave.append(self.hole())
            steps[split] = (SPLIT, split + 1, len(steps))
        self.write(ways[-1])
        for place in leave:
            steps[place] = (JUMP, len(steps))

    def repeat(self, inner: Any, low: int, high: int | None, lazy: bool) -> None:
        for _ in range(low):
            self.write(inner)
        splits = []
        for _ in range(1 if high is None else high - low):
            splits.append(self.hole())
            self.write(inner)
        if high is None:
            self.steps.append((JUMP, splits[0]))
        end = len(self.steps)
        for split in splits:
            self.steps[split] = (SPLIT, end, split + 1) if lazy else (SPLIT, split + 1, end)

    def hole(self) -> int:
        self.steps.append(())
        return len(self.steps) - 1
