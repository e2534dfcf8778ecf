"""Two servers of one sandbox, killed again and again amid writers: ``python -m benchmarks.soak_sandbox_kill [ROUNDS [SEED]]``.

Each round kills both (SIGKILL) after some number of answers drawn from the seed, with requests in flight, and then
checks that everything acknowledged is there, nothing is there twice, and no machine was sold twice.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "sandbox"))


def main() -> int:
    """Run the rounds; 1 at the first that lost something."""
    from sandbox_killing import Killing

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        killing = Killing(Path(folder, "home"), seed)
        for _ in range(rounds):
            try:
                killing.round()
            except AssertionError as problem:
                print(f"round {killing.rounds}, seed {seed}: {problem}")
                return 1
    took = time.perf_counter() - begun
    print(f"{2 * rounds} kills, {killing.acknowledged} acknowledged requests, none lost, in {took:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
