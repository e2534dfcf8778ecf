"""Crash laws over random stacks and random faults: ``python -m benchmarks.soak_crash [--schedules N] [--replay SEED.NUMBER]``.

Each schedule cuts the power of an apply (and of the recovery after it) at random boundaries, loses, delays and spoils
messages, and then demands that one undisturbed apply ends in the world and the state of the run that was never cut.
Ends with 1 at the first schedule that does not, and prints what replays it.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

for _folder in ("laws", "apply", "plan"):
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / _folder))


def main() -> int:
    from schedules import MODES, Case, Tally, Unfit, Violation

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help="how many in all, over the four modes")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--each", type=int, default=20, help="schedules for each random stack")
    parser.add_argument(
        "--replay", metavar="SEED.NUMBER", help="run only this schedule, in the mode of its seed"
    )
    parser.add_argument("--go-on", action="store_true", help="go on after a failure and count them")
    options = parser.parse_args()
    gc.set_threshold(100_000, 50, 50)
    fast = Path("/dev/shm")
    names = list(MODES)
    tally, failures = Tally(), 0
    by_mode = dict.fromkeys(names, 0)
    began, used = time.perf_counter(), time.process_time()
    numbers = range(options.each)
    seed = options.first
    if options.replay:
        text, _, number = options.replay.partition(".")
        seed, numbers = int(text), range(int(number), int(number) + 1)
        options.schedules = 1
    with tempfile.TemporaryDirectory(dir=fast if os.access(fast, os.W_OK) else None) as room:
        while tally.schedules + failures < options.schedules:
            mode = names[seed % len(names)]
            try:
                case = Case(Path(room), seed, mode)
            except Unfit:
                tally.unfit += 1
                seed += 1
                continue
            except Violation as problem:
                failures += 1
                print(f"{problem}\nreplay: python -m benchmarks.soak_crash --replay {seed}.0\n", flush=True)
                if not options.go_on:
                    return 1
                seed += 1
                continue
            for number in numbers:
                if tally.schedules + failures >= options.schedules:
                    break
                try:
                    case.run(number, tally)
                    by_mode[mode] += 1
                except Violation as problem:
                    failures += 1
                    print(
                        f"{problem}\nreplay: python -m benchmarks.soak_crash --replay {seed}.{number}\n",
                        flush=True,
                    )
                    if not options.go_on:
                        return 1
            case.close()
            seed += 1
            if (seed - options.first) % 25 == 0:
                print(
                    f"{tally.schedules} schedules, {time.perf_counter() - began:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    for mode, count in by_mode.items():
        print(f"{count:6} schedules: {mode}")
    for where, count in sorted(tally.where.items(), key=lambda item: -item[1]):
        print(f"{count:6} cuts {where}")
    print(
        f"{tally.schedules} schedules over {seed - options.first - tally.unfit} random stacks "
        f"({tally.unfit} drawn stacks could not be applied at all): {tally.runs} runs under faults, {tally.cuts} cut, "
        f"{tally.recoveries_cut} of them while or after settling an earlier cut, {tally.weather} messages spoiled; "
        f"{failures} failed; {time.perf_counter() - began:.0f} s, {time.process_time() - used:.0f} s of CPU"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
