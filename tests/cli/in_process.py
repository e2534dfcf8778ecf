"""The program called in this process: a command that starts in milliseconds, for tests that need no process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from flowplan_program import Ended, Project, no_accident

from flowplan.cli.main import run


@define(eq=False)
class Called(Project):
    """A project whose commands `run` calls here; `start` still makes processes."""

    capture: pytest.CaptureFixture[str] | None = None

    def run(self, *arguments: str, code: int | None = None, **more: Any) -> Ended:
        """Call a command. ``code``: the exit code it must have."""
        if set(more) - {"cwd"}:
            return super().run(*arguments, code=code, **more)
        assert self.capture is not None
        before, folder = dict(os.environ), Path.cwd()
        self.capture.readouterr()
        try:
            os.environ.clear()
            os.environ.update(self.env)
            os.chdir(more.get("cwd") or self.root)
            found = run(arguments)
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)
        ended = no_accident(Ended(found, *self.capture.readouterr()))
        if code is not None:
            assert ended.code == code, f"flowplan {' '.join(arguments)}: {ended}"
        return ended


def closed(schema: Any) -> Any:
    """The schema, refusing properties it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(item) for key, item in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in schema else found
