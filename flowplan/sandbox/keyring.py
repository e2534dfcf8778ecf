"""Ids and secrets: drawn by chance, or from a seed where a run must be repeatable."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Callable
from pathlib import Path

from flowplan.sandbox.world.catalogue import derived_fid
from flowplan.sandbox.world.world import World

_LETTERS = string.ascii_letters + string.digits


def random_fid(prefix: str) -> str:
    """A fresh id, by chance."""
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(16))}"


def seeded_fids(world: World, seed: int) -> Callable[[str], str]:
    """A source of fresh ids that gives the same ones in every world with the same seed and the same history."""
    return lambda prefix: derived_fid(prefix, str(seed), str(world.take_seq()))


def new_secret() -> str:
    """The secret of an API key; never seeded."""
    return "fkey_" + "".join(secrets.choice(_LETTERS) for _ in range(24))


def read_secret(path: Path, make: Callable[[], str] = new_secret) -> str:
    """The secret in a file, made on first use; only its owner may read the file.

    Raises:
        OSError: the file can be neither read nor made.
    """
    for _ in range(2):
        try:
            key = path.read_text().strip()
        except FileNotFoundError:
            key = ""
        if key:
            return key
        key = make()
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(key + "\n")
        try:
            # A link fails where the file exists: of two first users one wins, and both use its key.
            os.link(draft, path)
        except FileExistsError:
            if not path.read_text().strip():
                draft.replace(path)
                return key
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text().strip()
