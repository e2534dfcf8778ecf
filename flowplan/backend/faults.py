"""What the disk, the database or a foreign hand did, as diagnostics that name the file and say what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowplan.ports import StoreError
from flowplan.values.diagnostic import Diagnostic

_ROOM = 64 * 1024
"""What the log and its index want at least, in bytes."""

_RESTORE = "Restore the file from a backup, or move it away and let flowplan state rebuild PATH find the stack's objects again."


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turns what went wrong with the file at ``path`` into a `StoreError`."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreError(
            Diagnostic.error(
                "What was to be recorded contradicts the state, and was not recorded",
                f"{path}: {error}.",
                suggestion="flowplan state list shows what is recorded; please report how this came about.",
            )
        ) from error
    except sqlite3.DatabaseError as error:
        raise _of_database(path, error) from error
    except OSError as error:
        detail = error.strerror or str(error)
        advice = "Make the folder writable for you."
        if error.errno == errno.ENOSPC:
            advice = "Free some space and run the command again; nothing was lost."
        raise unusable(path, detail, advice) from error
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, "The state holds something that flowplan did not write", str(error)) from error


def _of_database(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    text = str(error).lower()
    if "full" in text or ("readonly" in text and _is_full(path)):
        advice = "Free some space and run the command again; nothing was lost."
    elif "readonly" in text or "unable to open" in text:
        advice = "Make the file and its folder writable for you."
    elif "locked" in text or "busy" in text:
        advice = "Another program holds the file; end it and try again."
    elif "disk i/o" in text:
        advice = "The disk failed, or is full. Make sure that it works and has space; nothing was lost."
    else:
        return damaged(path, f"The state at {path} is damaged", str(error))
    return unusable(path, str(error), advice)


def _is_full(path: Path) -> bool:
    """Whether there is no room beside the file; SQLite calls that a database it may only read."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return not disk.f_flag & os.ST_RDONLY and disk.f_bavail * disk.f_frsize < _ROOM


def unusable(path: Path, detail: str, suggestion: str) -> StoreError:
    """The error for a state that may be sound and cannot be got at."""
    return StoreError(
        Diagnostic.error(f"The state at {path} cannot be used", f"{detail}.", suggestion=suggestion)
    )


def damaged(path: Path, summary: str, detail: str, suggestion: str = "") -> StoreError:
    """The error for a state that is not as flowplan left it."""
    return StoreError(Diagnostic.error(summary, f"{path}: {detail}", suggestion=suggestion or _RESTORE))
