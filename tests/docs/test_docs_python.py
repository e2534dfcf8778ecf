"""The page on Python is run, as a session in an empty project with the embedded sandbox."""

from __future__ import annotations

import doctest
import os
import re
from pathlib import Path

import pytest
from fresh_files import ROOT

from flowplan.sandbox import open_sandbox

pytestmark = pytest.mark.process
PAGE = ROOT / "docs" / "python.md"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF


def test_the_session_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("FLOW", "MITHRIL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    session = doctest.DocTestParser().get_doctest(text, {}, "python.md", str(PAGE), 0)
    told: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    try:
        runner.run(session, out=told.append, clear_globs=False)
    finally:
        session.globs["flow"].close()
        sandbox = open_sandbox(tmp_path / "state" / "sandbox")
        sandbox.reset()
        sandbox.close()
    assert not told, "".join(told)
    assert runner.tries > 20
