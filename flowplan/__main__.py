"""The entry point. Answers ``--version`` before anything is imported, so that it starts as fast as Python does."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its code (docs/exit-codes.md)."""
    if sys.argv[1:] in (["--version"], ["-version"], ["version"]):
        from flowplan import __version__

        print(f"flowplan {__version__}")
        return
    # Why: a command is short and makes much that lives to its end; looking for cycles in it again and again
    # costs a tenth of a large plan and finds none.
    gc.set_threshold(100_000, 50, 50)
    from flowplan.cli.main import run

    code = run(sys.argv[1:])
    if sys.argv[1:2] == ["plan"]:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """End at once, all said. A large plan is a million values: to take them apart one by one is a tenth of its time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # whoever read us has gone; the usual way out knows what to do
    os._exit(code)


if __name__ == "__main__":
    main()
