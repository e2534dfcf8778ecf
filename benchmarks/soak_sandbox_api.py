"""A long run of generated requests against a served sandbox:
``python -m benchmarks.soak_sandbox_api [--seeds N] [--steps N] [--examples N]``.

For each seed a sandbox is served; sequences of STEPS requests that follow from each other are sent to it, and EXAMPLES
requests that schemathesis generates for every operation, half of them such as the document forbids.

Needs the provider's OpenAPI document beside the project. Ends with 1 at the first answer that the document does not
allow, naming the seed; the same seed gives the same requests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "sandbox"))


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def main() -> int:
    from sandbox_contract import OPENAPI, Caller, operations, served
    from sandbox_generated import ask_generated
    from sandbox_sequences import Sequences

    from flowplan.sandbox import open_sandbox

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=100)
    options = parser.parse_args()
    if not OPENAPI.exists():
        print(f"{OPENAPI} is not there")
        return 2
    seen: Counter[tuple[str, int]] = Counter()
    began = time.perf_counter()
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            sandbox = open_sandbox(Path(folder), clock, execute=False)
            try:
                with served(sandbox) as port:
                    caller = Caller(port, sandbox.api_key)
                    sequences = Sequences(caller, clock, seed)
                    for step in range(options.steps):
                        try:
                            sequences.step()
                        except AssertionError as problem:
                            print(f"seed {seed}, step {step}: {problem}")
                            caller.close()
                            return 1
                    try:
                        for mode in ("positive", "negative"):
                            ask_generated(caller, sequences.drafts, mode, options.examples // 2, seed)
                    except AssertionError as problem:
                        print(f"seed {seed}, generated: {problem}")
                        caller.close()
                        return 1
                    seen.update(caller.counts)
                    caller.close()
            finally:
                sandbox.close()
    for label in sorted(operations()):
        counts = {status: count for (name, status), count in sorted(seen.items()) if name == label}
        print(f"{label:64} {counts}")
    missing = set(operations()) - {name for (name, status) in seen if status < 300}
    print(f"operations without a success: {', '.join(sorted(missing)) or 'none'}")
    print(f"{sum(seen.values())} requests in {time.perf_counter() - began:.0f} s")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
