"""Packing a task's code: a deterministic archive of a folder."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

from flowplan.values.diagnostic import Diagnostic, FlowplanError

_SKIPPED = {".git", "__pycache__", ".venv", "node_modules", "state", ".mypy_cache", ".pytest_cache"}
_PLAN = ".fplan"
"""What saved plans are called: they are no code, and are nobody's business on an instance."""
_LIMIT_BYTES = 1024**3


def read_code(folder: Path) -> bytes:
    """A gzipped tar of the files below ``folder``; equal folders give equal bytes. Links are not followed.

    Raises:
        FlowplanError: there is no such folder, it cannot be read, or it is far too large for any upload.
    """
    if not folder.is_dir():
        raise FlowplanError(
            Diagnostic.error(
                f"There is no code folder {folder}", suggestion="Set code_root, or upload_code: false."
            )
        )
    buffer, total = io.BytesIO(), 0
    try:
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            for path in _files(folder):
                # Before it is read: a data set that lies about is not for the memory.
                total += path.stat().st_size
                if total > _LIMIT_BYTES:
                    raise FlowplanError(
                        Diagnostic.error(
                            f"The code in {folder} is too large to upload",
                            f"It has more than {_LIMIT_BYTES // 1024**3} GiB.",
                            suggestion="Set code_root to a smaller folder, or keep data on a volume and set "
                            "upload_code: false.",
                        )
                    )
                data = path.read_bytes()
                entry = tarfile.TarInfo(str(path.relative_to(folder)))
                entry.size, entry.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
                archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(f"{error.filename or folder} cannot be read", f"{error.strerror}.")
        ) from None
    return buffer.getvalue()


def _files(folder: Path) -> list[Path]:
    """The ordinary files below a folder, in order, without those that are no code."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        paths = [Path(place) / name for name in names if name not in _SKIPPED]
        found += [path for path in paths if path.suffix != _PLAN and not path.is_symlink() and path.is_file()]
    return sorted(found)
