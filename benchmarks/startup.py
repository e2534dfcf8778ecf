"""Start-up: ``flowplan --version`` against a bare ``import click``, as CPU time of whole processes."""

from __future__ import annotations

import sys

from benchmarks.measure import PYTHON, interleaved, verdict

FORBIDDEN = ("networkx", "httpx", "jinja2", "yaml", "starlette", "rich", "asyncio")


def main() -> int:
    """Measure, print, and exit 1 where a limit is broken."""
    commands = {
        "python -c pass": [PYTHON, "-c", "pass"],
        "python -c 'import click'": [PYTHON, "-c", "import click"],
        "flowplan --version": [PYTHON, "-m", "flowplan", "--version"],
        "flowplan --help": [PYTHON, "-m", "flowplan", "--help"],
    }
    best = interleaved(commands, 20)
    for name, used in best.items():
        print(f"{name:28s} {used * 1000:6.1f} ms")
    base = best["python -c 'import click'"]
    holds = verdict("--version / import click", best["flowplan --version"] / base, 2.0)
    holds &= verdict("--help / import click", best["flowplan --help"] / base, 3.0)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
