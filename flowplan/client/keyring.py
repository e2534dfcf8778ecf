"""The SSH key pairs on this machine (spec/models.md 2.5): those in ~/.ssh, and one of flowplan's own.

Private halves are only ever named to ssh, never read into anything that is kept or shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from flowplan.values.diagnostic import Diagnostic, FlowplanError

_MOST_BYTES = 64 * 1024
_TYPES = ("ssh-", "ecdsa-", "sk-")


class LocalKeys:
    """The keys of one user. ``named`` is what MITHRIL_SSH_KEY says; ``data_home`` is where flowplan's own key lies.

    Implements `flowplan.provider.mithril.keys.Keyring`.
    """

    def __init__(self, home: Path, data_home: Path, named: str | None = None) -> None:
        self._home = home
        self._own = data_home / "flowplan" / "ssh" / "id_ed25519"
        self._named = named

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> LocalKeys:
        """The keys of the user whose environment this is."""
        home = Path(environ.get("HOME") or Path.home())
        data = environ.get("XDG_DATA_HOME")
        return cls(home, Path(data) if data else home / ".local" / "share", environ.get("MITHRIL_SSH_KEY"))

    def named(self) -> str | None:
        """The public half of the key that MITHRIL_SSH_KEY names; None where it names none, or only a private half.

        Raises:
            FlowplanError: there is no such file, or it cannot be read.
        """
        if not self._named:
            return None
        path = self._at_home(self._named)
        if not path.exists() and not _public_path(path).exists():
            raise FlowplanError(
                Diagnostic.error(
                    f"there is no SSH key {path}",
                    "MITHRIL_SSH_KEY names it.",
                    suggestion="Correct MITHRIL_SSH_KEY, or unset it.",
                )
            )
        return self.read(self._named)

    def present(self) -> Sequence[str]:
        """The public halves of all pairs."""
        return [public for _, public in self._pairs()]

    def read(self, path: str) -> str | None:
        """The public half in the file ``path``, or beside it where it is the private one; None without one.

        Raises:
            FlowplanError: the file cannot be read, or holds no public key.
        """
        place = _public_path(self._at_home(path))
        if not place.exists():
            return None
        text = _text(place)
        if not text.startswith(_TYPES) or len(text.split()) < 2:
            raise FlowplanError(
                Diagnostic.error(
                    f"{place} holds no public SSH key",
                    suggestion="It is one line that begins with ssh-ed25519, ssh-rsa or the like.",
                )
            )
        return text

    def own(self) -> str | None:
        """flowplan's own key, made on first use; None where the library that makes keys is missing.

        Raises:
            FlowplanError: it cannot be written or read.
        """
        public = _public_path(self._own)
        if public.exists() and self._own.exists():
            return _text(public)
        if find_spec("asyncssh") is None:
            return None
        try:
            _make_pair(self._own)
        except OSError as error:
            raise FlowplanError(
                Diagnostic.error(
                    f"{self._own} cannot be written",
                    f"{error.strerror or error}.",
                    suggestion="Name a key of yours with MITHRIL_SSH_KEY, or under ssh_keys.",
                )
            ) from None
        return _text(public)

    def private_named(self) -> Path | None:
        """The private half of the key that MITHRIL_SSH_KEY names, whatever it opens; None where it names none."""
        from flowplan.client.remote import choose_key

        return choose_key(self._named, (), ())

    def private_for(self, accepted: Iterable[str]) -> Path | None:
        """The private half of a pair that is among the ``accepted`` public keys; None without one."""
        from flowplan.client.remote import choose_key

        return choose_key(None, self._pairs(), accepted)

    def _pairs(self) -> list[tuple[Path, str]]:
        """The private file and the public half of every pair."""
        found = []
        for public in [*sorted((self._home / ".ssh").glob("*.pub")), _public_path(self._own)]:
            private = public.with_suffix("")
            with suppress(OSError, FlowplanError):
                if private.is_file():
                    found.append((private, _text(public)))
        return found

    def _at_home(self, path: str) -> Path:
        return self._home / path[2:] if path.startswith("~/") else Path(path)


def _public_path(path: Path) -> Path:
    return path if path.suffix == ".pub" else path.with_name(path.name + ".pub")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise FlowplanError(Diagnostic.error(f"{path} cannot be read", f"{reason}.")) from None


def _make_pair(path: Path) -> None:
    """Write a fresh pair. Of two that do so at once, both go on with the same one."""
    import asyncssh

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = asyncssh.generate_private_key("ssh-ed25519", comment="flowplan")
    import secrets

    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh.export_private_key())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    kept = asyncssh.read_private_key(path)
    beside = _public_path(path)
    import secrets

    draft = beside.with_name(f"{beside.name}.{secrets.token_hex(4)}.new")
    draft.write_bytes(kept.export_public_key())
    draft.replace(beside)
