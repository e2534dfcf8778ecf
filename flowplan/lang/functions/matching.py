"""Finds where a compiled pattern fits: all its ways at once, one character after the other."""

from __future__ import annotations

from flowplan.lang.functions.bounds import Meter
from flowplan.lang.functions.patterns import (
    BOUND,
    CHAR,
    CLASSES,
    DONE,
    END,
    JUMP,
    SAVE,
    SPLIT,
    START,
    Pattern,
)
from flowplan.values.classes import frozen


@frozen
class Match:
    """Where a pattern was found: start and end of the whole, then of each group; -1 for one that took no part."""

    text: str
    saved: tuple[int, ...]

    @property
    def start(self) -> int:
        """Where it starts."""
        return self.saved[0]

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.saved[1]

    def group(self, number: int) -> str | None:
        """The text of a group (0: of the whole); None for one that took no part."""
        start, end = self.saved[2 * number], self.saved[2 * number + 1]
        return None if start < 0 or end < 0 else self.text[start:end]


def search(
    pattern: Pattern, text: str, meter: Meter, start: int = 0, whole: bool = False, advance: bool = False
) -> Match | None:
    """The first match at or after ``start``; ``whole``: from there to the end. ``advance``: not an empty one there.

    Raises:
        TooLarge: it takes more steps than the meter has left.
    """
    steps, size = pattern.steps, len(text)
    blank = (-1,) * (2 * pattern.groups + 2)
    threads: list[tuple[int, tuple[int, ...]]] = []
    found: tuple[int, ...] | None = None
    marked = [-1] * len(steps)
    for at in range(start, size + 1):
        stack: list[tuple[int, tuple[int, ...]]] = threads[::-1]
        if found is None and (at == start or not whole):
            stack.insert(0, (0, blank))
        if not stack:
            break
        threads = []
        character = text[at] if at < size else ""
        steps_taken = 0
        while stack:
            steps_taken += 1
            place, saved = stack.pop()
            if marked[place] == at:
                continue
            marked[place] = at
            step = steps[place]
            kind = step[0]
            if kind == CHAR:
                if character and step[1](character):
                    threads.append((place + 1, saved))
            elif kind == SPLIT:
                stack.append((step[2], saved))
                stack.append((step[1], saved))
            elif kind == JUMP:
                stack.append((step[1], saved))
            elif kind == SAVE:
                slot = step[1]
                stack.append((place + 1, (*saved[:slot], at, *saved[slot + 1 :])))
            elif kind == DONE:
                if (not whole or at == size) and not (advance and at == start):
                    found = saved
                    break
            elif _holds(kind, step[1], text, at):
                stack.append((place + 1, saved))
        meter.spend(1 + steps_taken)
    return None if found is None else Match(text, found)


def _holds(kind: int, multiline: bool | None, text: str, at: int) -> bool:
    size = len(text)
    if kind == START:
        return at == 0 or (bool(multiline) and text[at - 1] == "\n")
    if kind == END:
        if at == size or (multiline is False and at == size - 1 and text[at] == "\n"):
            return True
        return bool(multiline) and text[at] == "\n"
    word = CLASSES["w"]
    bound = (at > 0 and word(text[at - 1])) != (at < size and word(text[at]))
    return bound == (kind == BOUND)
