"""Random sequences of stacks, edits and other hands through planner, engine, store and simulator: the laws of planning.

``python -m benchmarks.soak_planning [N] [SEED]`` plays N (5,000) sequences of five steps, the first with SEED (1) and each
with a seed of its own. At each step the plan must be pure (twice the same bytes, no mutating request, no write), in order
(as planned and as executed), converge (after the apply, the next plan is empty), and be least (now and then one action
is left out in a copy of the world, which then must not converge). What does not hold is printed with its seed, and
``python -m benchmarks.soak_planning 1 SEED`` plays that sequence again.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from multiprocessing import Pool
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEPS = 5
_MOST_TOLD = 20


def play(seed: int) -> tuple[int, str, int, int, int]:
    """One sequence: its seed, what is wrong with it, and how many plans, changes and refusals it saw."""
    sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("laws_planning", "apply")]
    import laws_world

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as home:
        try:
            done = laws_world.run(seed, Path(home), STEPS)
        except Exception as error:  # a traceback is a finding like any other
            return seed, f"{type(error).__name__}: {error}", 0, 0, 0
    return seed, "", done.plans, done.changes, done.refused


def main() -> int:
    """Play, print what is found, and exit 1 where anything is."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    begun, found, plans, changes, refused = time.perf_counter(), 0, 0, 0, 0
    with Pool(min(os.cpu_count() or 1, count)) as pool:
        for number, (_, wrong, *seen) in enumerate(
            pool.imap_unordered(play, range(first, first + count), 4), 1
        ):
            plans, changes, refused = plans + seen[0], changes + seen[1], refused + seen[2]
            if wrong:
                found += 1
                if found <= _MOST_TOLD:
                    print(f"{wrong}\n{'=' * 100}", flush=True)
            if number % 500 == 0:
                print(f"{number} sequences, {found} found, {time.perf_counter() - begun:.0f} s", flush=True)
    print(
        f"{count} sequences from seed {first}: {plans} plans with {changes} changes, {refused} refused; {found} found"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
