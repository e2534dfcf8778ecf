"""Which SSH keys a launch gets (spec/models.md 2.5).

Always those the project requires; then those asked for, by id, name or file; without any, the key that
MITHRIL_SSH_KEY names, else the project's keys whose private half is here, else a key of flowplan's own.
A public key that the project does not have yet is added to it, after looking for one of the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from flowplan.provider.mithril.wire_account import SshKey
from flowplan.provider.redaction import shown
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean

AUTO = "_auto_"
"""What stands for "a key of flowplan's own" in a list of keys, as the documented models have it."""


class Keyring(Protocol):
    """The key pairs on this machine. All texts are public halves in OpenSSH's form."""

    def named(self) -> str | None:
        """The key that MITHRIL_SSH_KEY names; None where it names none.

        Raises:
            FlowplanError: it names a file that cannot be read.
        """
        ...

    def present(self) -> Sequence[str]:
        """The keys whose private half is on this machine."""
        ...

    def read(self, path: str) -> str | None:
        """The key in the file ``path`` (either half's); None where there is no such file.

        Raises:
            FlowplanError: the file cannot be read or holds no key.
        """
        ...

    def own(self) -> str | None:
        """The key of flowplan's own, made on first use; None where it cannot be made here.

        Raises:
            FlowplanError: its file cannot be written or read.
        """
        ...


@frozen
class Choice:
    """The keys of a launch: ids of keys the project has, and in ``missing`` public keys it lacks, each once."""

    fids: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def identity(public: str) -> tuple[str, ...]:
    """What makes a public half the key it is: type and data, without the comment (provider.md 2.5)."""
    return tuple(public.split()[:2])


def by_identity(known: Iterable[SshKey]) -> dict[tuple[str, ...], str]:
    """The ids of a project's keys by `identity`; of several with the same, the first."""
    found: dict[tuple[str, ...], str] = {}
    for key in known:
        found.setdefault(identity(key.public_key), key.fid)
    return found


def choose_keys(asked: Iterable[str], known: Sequence[SshKey], ring: Keyring | None = None) -> Choice:
    """The keys for a launch: required ones first (provider.md 2.1), then ``asked``, without repetition.

    Where nothing is asked for, ``ring`` decides; without one the project's first key does.

    Raises:
        FlowplanError: a name that no key or several keys have, a file without a key, or a project without any key.
    """
    wanted = [word for word in asked if word != AUTO]
    fids = [key.fid for key in known if key.required]
    ids = by_identity(known)
    missing: dict[tuple[str, ...], str] = {}

    def take(public: str) -> None:
        if (fid := ids.get(identity(public))) is not None:
            fids.append(fid)
        else:
            missing.setdefault(identity(public), public)

    for word in wanted:
        if word.startswith("sshkey_"):
            fids.append(word)
        elif "/" in word or word.endswith(".pub"):
            take(_in_file(word, ring))
        else:
            fids.append(_by_name(word, known))
    if not wanted and ring is not None:
        _default(known, ring, take)
    if not fids and not missing and known:
        fids = [known[0].fid]
    if not fids and not missing:
        raise FlowplanError(
            Diagnostic.error(
                "the project has no SSH key, and every launch needs one",
                suggestion="Add your public key to the project in the provider's console, then apply again.",
            )
        )
    return Choice(tuple(dict.fromkeys(fids)), tuple(missing.values()))


def _default(known: Sequence[SshKey], ring: Keyring, take: Callable[[str], None]) -> None:
    """Where nothing is asked for."""
    if named := ring.named():
        take(named)
        return
    here = {identity(public) for public in ring.present()}
    found = [key.public_key for key in known if identity(key.public_key) in here]
    for public in found:
        take(public)
    if not found and (own := ring.own()):
        take(own)


def _in_file(path: str, ring: Keyring | None) -> str:
    public = ring.read(path) if ring is not None else None
    if public is None:
        raise FlowplanError(
            Diagnostic.error(
                f"there is no SSH key in {path!r}",
                suggestion="Name the file of a public key, or a key of the project by its name or id.",
            )
        )
    return public


def _by_name(name: str, known: Sequence[SshKey]) -> str:
    found = [key.fid for key in known if key.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise FlowplanError(
            Diagnostic.error(
                f"{len(found)} SSH keys of the project are called {name!r}",
                suggestion=f"Write the id of one of them under ssh_keys: {', '.join(map(shown, found))}.",
            )
        )
    names = [shown(key.name) for key in known]
    listed = f"The project's keys are {', '.join(names)}." if names else "The project has no SSH key yet."
    raise FlowplanError(
        Diagnostic.error(
            f"the project has no SSH key {name!r}", suggestion=did_you_mean(name, names) or listed
        )
    )
