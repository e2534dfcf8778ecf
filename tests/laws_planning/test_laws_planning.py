"""The laws of planning over a few random sequences; ``python -m benchmarks.soak_planning`` plays thousands."""

from __future__ import annotations

from pathlib import Path

import laws_world
import pytest

FOUND = [12, 13, 32, 43, 48, 50, 101, 100928]
"""Seeds that once broke a law: a volume was to be destroyed while a task that is let go kept using it, a block volume was
taken under it, and one volume was given the name of another before that had given it up."""


@pytest.mark.parametrize("seed", [*range(9000, 9024), *FOUND])
def test_the_laws_hold(seed: int, tmp_path: Path) -> None:
    sequence = laws_world.run(seed, tmp_path)
    assert sequence.plans or sequence.refused


def test_a_broken_law_is_told_with_its_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = laws_world.plan
    monkeypatch.setattr(
        laws_world, "plan", lambda stack, snapshot, seen, *more: real(stack, snapshot, None, *more)
    )
    with pytest.raises(laws_world.LawBroken, match=r"seed \d+"):
        for seed in range(60):
            laws_world.run(seed, tmp_path / str(seed), deep=0.0)
