"""Files that a person names, read with a bound: one may be a device, or grow while it is read."""

from __future__ import annotations

import errno
from pathlib import Path


def read_at_most(path: Path, limit: int) -> bytes:
    """The bytes of the file at ``path``.

    Raises:
        OSError: it cannot be read, or has more than ``limit`` bytes; ``strerror`` says so in words.
    """
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        most = f"{limit // 1024**2} MiB" if limit >= 1024**2 else f"{limit // 1024} KiB"
        raise OSError(errno.EFBIG, f"it is larger than {most}", str(path))
    return data
