"""One evaluation of an expression: how references are answered, what it came across, and the steps it has left."""

from __future__ import annotations

from typing import Any

from flowplan.lang.answers import Answers
from flowplan.lang.functions.bounds import MAX_WORK, Meter
from flowplan.values.value import Reference, Sensitive, Unknown


class Silent(Exception):
    """What is asked for is broken, and that has been reported where it is broken."""


class Pending(Exception):
    """Evaluation met a value that is not known yet."""


class Run:
    """One evaluation. With ``answers``, unknown values are computed; without, they are waited for.

    ``waits`` and ``met`` are the references and unknowns it waits for, ``references`` all it asked for besides what
    its text names, ``seen`` the numbers of the paths it came to, ``files`` the templates it is in the middle of.
    """

    __slots__ = ("answers", "files", "met", "meter", "references", "seen", "sensitive", "waits")

    def __init__(self, answers: Answers | None, above: Meter) -> None:
        self.answers = answers
        self.meter = Meter(MAX_WORK, above)
        self.sensitive = False
        self.waits: dict[Reference, None] = {}
        self.met: dict[int, Unknown] = {}
        self.references: dict[Reference, None] = {}
        self.seen: set[int] = set()
        self.files: list[str] = []

    def bare(self, value: Any) -> Any:
        """A value as an operator or filter may see it: revealed (and then the run is tainted) and known.

        Raises:
            Pending: something in it is not known.
            TooLarge: it is larger than the evaluation may look at.
        """
        kind = type(value)
        if kind is str or kind is int:
            return value
        if kind is Sensitive:
            self.sensitive = True
            return self.bare(value.reveal())
        if kind is Unknown:
            if value.sensitive:
                self.sensitive = True
            if self.answers is None:
                self.waits.update(dict.fromkeys(value.references))
                self.met[id(value)] = value
                raise Pending
            return self.bare(self.answers.value(value))
        if kind is dict:
            self.meter.spend(len(value))
            return {key: self.bare(item) for key, item in value.items()}
        if kind is list or kind is tuple:
            self.meter.spend(len(value))
            return [self.bare(item) for item in value]
        return value
