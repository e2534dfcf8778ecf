"""Which SSH keys a launch gets: those asked for, by id or name, and always those the project requires."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowplan.provider.mithril.catalogue import UnmappableError
from flowplan.provider.mithril.wire import SshKey
from flowplan.provider.redaction import shown
from flowplan.values.diagnostic import Diagnostic, did_you_mean


def launch_keys(asked: Iterable[str], known: Sequence[SshKey]) -> list[str]:
    """The key ids for a launch: required ones first (provider.md 2.1), then ``asked``, without repetition.

    Where nothing is asked for and nothing required, the project's first key is taken.

    Raises:
        UnmappableError: a name that no key or several keys have, or a project without any key.
    """
    chosen = [key.fid for key in known if key.required]
    for word in asked:
        chosen.append(word if word.startswith("sshkey_") else _by_name(word, known))
    if not chosen and known:
        chosen = [known[0].fid]
    if not chosen:
        raise UnmappableError(
            Diagnostic.error(
                "the project has no SSH key, and every launch needs one",
                suggestion="Add your public key to the project in the provider's console, then apply again.",
            )
        )
    return list(dict.fromkeys(chosen))


def _by_name(name: str, known: Sequence[SshKey]) -> str:
    found = [key.fid for key in known if key.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnmappableError(
            Diagnostic.error(
                f"{len(found)} SSH keys of the project are called {name!r}",
                suggestion=f"Write the id of one of them under ssh_keys: {', '.join(map(shown, found))}.",
            )
        )
    names = [shown(key.name) for key in known]
    listed = f"The project's keys are {', '.join(names)}." if names else "The project has no SSH key yet."
    raise UnmappableError(
        Diagnostic.error(
            f"the project has no SSH key {name!r}", suggestion=did_you_mean(name, names) or listed
        )
    )
