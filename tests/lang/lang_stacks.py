"""What the tests of the language share: loading a text, and pictures of what was found."""

from __future__ import annotations

from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles, Reader
from flowplan.lang.stack import Resource, Source, Stack
from flowplan.lang.variables import VariableSource
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostics


def load(text: str, reader: Reader | None = None, **variables: object) -> tuple[Stack | None, Diagnostics]:
    inputs = [VariableSource("--var", variables)] if variables else []
    return load_stack([Source("s.yaml", text)], inputs, reader or NoFiles(), "0.1.0")


def good(text: str, reader: Reader | None = None, **variables: object) -> Stack:
    stack, found = load("stack: s\n" + text, reader, **variables)
    assert stack is not None, shown(found)
    return stack


def resource(stack: Stack, address: str) -> Resource:
    return stack.resources[Address.parse(address)]


def shown(found: Diagnostics) -> list[str]:
    return [f"{d.span.line}:{d.span.column} {d.summary}" if d.span else d.summary for d in found]


class Files(dict[str, str]):
    """A reader of files that are not on disk."""

    def read_text(self, path: str) -> str:
        try:
            return self[path]
        except KeyError:
            raise FileNotFoundError(f"there is no file {path!r}") from None
