"""Packing a task's code: a small, deterministic archive of a folder."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from flowplan.values.diagnostic import Diagnostic, FlowplanError

_SKIPPED = {".git", "__pycache__", ".venv", "node_modules", "state", ".mypy_cache", ".pytest_cache"}
_PLAN = ".fplan"
"""What saved plans are called: they are no code, and are nobody's business on an instance."""
_LIMIT_BYTES = 16 * 1024 * 1024


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
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in sorted(folder.rglob("*")):
                relative = path.relative_to(folder)
                if (
                    _SKIPPED & set(relative.parts)
                    or path.suffix == _PLAN
                    or path.is_symlink()
                    or not path.is_file()
                ):
                    continue
                data = path.read_bytes()
                total += len(data)
                if total > _LIMIT_BYTES:
                    raise FlowplanError(
                        Diagnostic.error(
                            f"The code in {folder} is too large to upload",
                            f"It has more than {_LIMIT_BYTES // 1024**2} MiB.",
                            suggestion="Set code_root to a smaller folder, or upload_code: false.",
                        )
                    )
                entry = tarfile.TarInfo(str(relative))
                entry.size, entry.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
                archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(f"{error.filename or folder} cannot be read", f"{error.strerror}.")
        ) from None
    return gzip.compress(buffer.getvalue(), mtime=0)
