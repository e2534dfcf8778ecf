"""Real kills: ``python -m benchmarks.soak_kills [--kills N] [--seed SEED]``.

Starts real ``flowplan apply`` and ``destroy`` processes against a served sandbox over a socket, kills N (300) of them
by SIGKILL at random moments (and some by SIGHUP, or two SIGINT), edits the stack, and each time that one is left in
peace demands that what lives is what is recorded, once, that nothing is left to do, and that no lock needed a person.
Ends with 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "process"))


def main() -> int:
    from flowplan_program import Project, Served
    from killing import soak

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as room:
        project = Project.make(Path(room))
        served = Served(project, Path(room) / "provider", "--no-exec")
        try:
            done = soak(project, served, options.seed, options.kills)
        except AssertionError as problem:
            print(f"seed {options.seed}: {problem}")
            return 1
        finally:
            served.close()
            project.close()
    moments = ", ".join(f"{count} {how}" for how, count in sorted(done.by_moment.items()))
    print(
        f"{done.kills} processes killed ({moments}: at a request, before or after it, or at a time), "
        f"{done.signals} ended by SIGHUP or two SIGINT, {done.missed} ended by themselves first; "
        f"{done.phases} times left in peace, {done.adopted} creations found and adopted; "
        f"0 orphans, 0 doubles, 0 lost, 0 locks to lift; {time.perf_counter() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
