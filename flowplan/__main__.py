"""The entry point. Answers ``--version`` before anything is imported, so that it starts as fast as Python does."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code (docs/exit-codes.md)."""
    if sys.argv[1:] in (["--version"], ["-version"], ["version"]):
        from flowplan import __version__

        print(f"flowplan {__version__}")
        return
    from flowplan.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
