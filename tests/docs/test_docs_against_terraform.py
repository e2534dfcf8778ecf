"""Every test and every longer run that the page names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_names_tests_that_exist() -> None:
    text = (ROOT / "docs/against-terraform.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| \d+\. ", line)]
    assert len(rows) == 12
    for row in rows:
        path, named = "", re.findall(r"`((?:tests/|::test_|python -m )[^`]*)`", row)
        assert named, row
        for name in named:
            if name.startswith("python -m "):
                module = name.removeprefix("python -m ").split()[0].replace(".", "/")
                assert (ROOT / f"{module}.py").exists(), name
                continue
            file, _, test = name.partition("::")
            path = file or path
            assert (ROOT / path).exists(), name
            assert not test or f"def {test}(" in (ROOT / path).read_text(), name
