"""The functions that read the stack's own files: ``file``, ``template_file`` and ``glob``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowplan.lang.functions import METER, as_text
from flowplan.lang.functions.bounds import PIECE
from flowplan.lang.run import Run
from flowplan.lang.words import ExpressionError

if TYPE_CHECKING:
    from flowplan.lang.world import World

_LISTING = 1000
"""The steps that listing files counts as."""


def file_functions(world: World, run: Run, filled: Callable[[str, str, Run], Any]) -> dict[str, Any]:
    """What a compiled text is given besides the filters: these functions, and the meter of the evaluation.

    ``filled(path, text, run)`` gives the text of a file with its expressions evaluated.
    """

    def file(path: str) -> str:
        text = world.read(path)
        run.meter.spend(1 + len(text) // PIECE)
        return text

    def template_file(path: str) -> str:
        text = file(path)
        try:
            return as_text(filled(path, text, run))
        except ExpressionError as error:
            # Why: the mistake stands in the file, and a diagnostic points at the stack that reads it
            line = text[: max(0, text.find(error.needle))].count("\n") + 1
            where = f"{path}, line {line}" if error.needle else path
            raise ExpressionError(f"in {where}: {error.message}", error.suggestion, path) from None

    def glob(pattern: str) -> list[str]:
        run.meter.spend(_LISTING)
        return world.list_files(pattern)

    return {"file": file, "template_file": template_file, "glob": glob, METER: run.meter}
