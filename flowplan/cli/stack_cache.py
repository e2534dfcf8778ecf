"""Evaluated stacks, kept beside the state by ``apply`` so that a ``plan`` of the same texts need not evaluate again.

A kept stack is used only if every text, every given value and flowplan itself are as they were, and if it is signed
with the key of the stack's own state: then it is worth as much as that. Nothing needs it, so whatever is wrong with it
only means that the stack is evaluated. ``plan`` writes none: it writes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan import __version__
from flowplan.cli.project import Project, StackFiles
from flowplan.lang.stack import Stack
from flowplan.values.bounded import read_at_most
from flowplan.values.diagnostic import FlowplanError

if TYPE_CHECKING:
    from flowplan.lang.variables import VariableSource

FORMAT = 2
LIMIT_BYTES = 512 * 1024 * 1024
_EVALUATING = ("lang", "models", "resources", "values")
"""The packages whose code decides what a stack evaluates to."""

KeyOf = Callable[[str], bytes]
"""The key of a stack's state; empty where it has none."""


def recall(
    project: Project,
    files: StackFiles,
    values: Sequence[VariableSource],
    key_of: KeyOf,
    evaluate: Callable[[], Stack],
) -> Stack | None:
    """The stack that was kept of these texts and values; None where none was, or it does not fit."""
    try:
        head, _, body = read_at_most(_path(project, files), LIMIT_BYTES).partition(b"\n")
        told = json.loads(head)
        name, digest, signature = str(told["stack"]), str(told["inputs"]), str(told["signature"])
        key = key_of(name)
        if (
            told["format"] != FORMAT
            or not key
            or not hmac.compare_digest(digest, _inputs(key, files, values))
        ):
            return None
        if not hmac.compare_digest(signature, _signature(key, digest, body)):
            return None
        from flowplan.lang.evaluated import load_evaluated

        return load_evaluated(body.decode("utf-8"), files.all_sources, evaluate)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, FlowplanError):
        return None


def keep(
    project: Project, files: StackFiles, values: Sequence[VariableSource], stack: Stack, key_of: KeyOf
) -> None:
    """Keep what these texts and values evaluate to, or take away what was kept of others; failures are nothing."""
    import tempfile

    from flowplan.lang.evaluated import dump_evaluated

    path = _path(project, files)
    with suppress(OSError, FlowplanError):
        text = None if stack.sources != files.all_sources else dump_evaluated(stack)
        key = key_of(stack.name)
        if text is None or not key:
            forget(project, files)
            return
        body, digest = text.encode("utf-8", "surrogatepass"), _inputs(key, files, values)
        head = {
            "format": FORMAT,
            "stack": stack.name,
            "inputs": digest,
            "signature": _signature(key, digest, body),
        }
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(head).encode() + b"\n" + body)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def forget(project: Project, files: StackFiles) -> None:
    """Take away what was kept of a stack."""
    with suppress(OSError):
        _path(project, files).unlink(missing_ok=True)


def _path(project: Project, files: StackFiles) -> Path:
    label = hashlib.sha256(files.label.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return project.state / "evaluated" / f"{label}.json"


def _signature(key: bytes, digest: str, body: bytes) -> str:
    return hmac.new(key, digest.encode() + body, hashlib.sha256).hexdigest()


def _inputs(key: bytes, files: StackFiles, values: Sequence[VariableSource]) -> str:
    """A keyed digest of all that decides what a stack evaluates to: given values may be secret."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in _parts(files, values):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()


def _parts(files: StackFiles, values: Sequence[VariableSource]) -> Iterator[str]:
    yield from (__version__, _code(), files.label)
    # Why: a file's path as it is typed depends on where from; it is kept only in what says who gave a variable its value.
    is_told = bool(values) or files.vars_text is not None
    for source in files.all_sources:
        yield from (source.path if is_told else Path(source.path).name, source.text)
    for given in values:
        yield json.dumps([given.name, given.values, given.is_text, given.lenient], default=repr)


def _code() -> str:
    """What tells one state of flowplan's own code from another, also while it is worked on."""
    package = Path(__file__).parents[1]
    found: list[tuple[Any, ...]] = []
    for name in _EVALUATING:
        with os.scandir(package / name) as entries:
            found += [(name, e.name, e.stat().st_mtime_ns) for e in entries if e.name.endswith(".py")]
    return repr(sorted(found))
