"""The program run in this process, over the embedded sandbox: as real as a process of its own, and much quicker."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from flowplan_program import Ended, no_accident

from flowplan.cli.main import run
from flowplan.sandbox import open_sandbox


@frozen
class Inline:
    """A project folder and the commands that are run in it."""

    root: Path

    def write(self, text: str, name: str = "stack.yaml") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def edit(self, before: str, after: str, name: str = "stack.yaml") -> None:
        text = (self.root / name).read_text()
        assert before in text
        self.write(text.replace(before, after), name)

    def run(self, *arguments: str, code: int | None = 0) -> Ended:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = run(list(arguments))
        found = no_accident(Ended(ended, out.getvalue(), err.getvalue()))
        assert code is None or ended == code, f"flowplan {' '.join(arguments)}: {found}"
        return found

    def apply(self, *arguments: str, code: int = 0) -> Ended:
        return self.run("apply", "--auto-approve", *arguments, code=code)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What another hand does at the provider."""
        sandbox = open_sandbox(self.root / "state" / "sandbox")
        try:
            where, _, query = path.partition("?")
            headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
            content = b"" if body is None else json.dumps(body).encode()
            status, _, answer = sandbox.handle(method, where, query, headers, content)
        finally:
            sandbox.close()
        assert status < 300, (status, answer)
        return json.loads(answer) if answer else None

    @property
    def project(self) -> str:
        return str(self.api("GET", "/v2/projects")[0]["fid"])

    def live_bids(self) -> list[Any]:
        bids = self.api("GET", f"/v2/spot/bids?project={self.project}")["data"]
        return [bid for bid in bids if bid["status"] != "Terminated"]

    def live_volumes(self) -> list[Any]:
        return list(self.api("GET", f"/v2/volumes?project={self.project}"))

    def id_of(self, address: str) -> str:
        return str(self.run("state", "show", address, "--json").json()["id"])


@pytest.fixture
def inline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inline]:
    """An empty project, the current folder of the test."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    for name in list(os.environ):
        if name.startswith(("MITHRIL_", "FLOWPLAN_", "FLOW_")) or name in ("NO_COLOR", "FORCE_COLOR", "CI"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(root)
    made = Inline(root)
    yield made
    if (root / "state" / "sandbox").exists():
        made.run("sandbox", "reset")
