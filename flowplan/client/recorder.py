"""``python -m flowplan.client.recorder FILE PROGRAM…``: run a program in a terminal of its own and copy what it shows.

A process of its own, because giving a program a terminal takes a fork, which a process with threads must not do.
Standard library only.
"""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Run the program; its exit code, 128 + number for a signal."""
    transcript, *argv = arguments
    with Path(transcript).open("wb") as copy:

        def read(descriptor: int) -> bytes:
            data = os.read(descriptor, 65536)
            copy.write(data)
            return data

        code = os.waitstatus_to_exitcode(pty.spawn(argv, read))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
