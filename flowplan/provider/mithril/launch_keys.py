"""The SSH keys of launches: those of the project, asked for once, and those of this machine, added when needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from flowplan.provider.failure import unreachable
from flowplan.provider.http import Answer
from flowplan.provider.mithril.api import Api
from flowplan.provider.mithril.keys import Choice, Keyring, by_identity, choose_keys, identity
from flowplan.provider.mithril.wire import structure
from flowplan.provider.mithril.wire_account import SshKey
from flowplan.values.diagnostic import FlowplanError


class LaunchKeys:
    """Finds the keys of launches in a project; see `flowplan.provider.mithril.keys` for which."""

    def __init__(self, api: Api, keyring: Keyring | None) -> None:
        self._api = api
        self._ring = keyring
        self._known: list[SshKey] | None = None
        self._settling = asyncio.Lock()

    def choose(self, asked: Iterable[str], known: Sequence[SshKey]) -> Choice:
        """The keys of a launch in a project that has the keys ``known``; nothing is sent.

        Raises:
            FlowplanError: what is asked for cannot be had.
        """
        return choose_keys(asked, known, self._ring)

    def forget(self) -> None:
        """Ask for the project's keys again before the next launch."""
        self._known = None

    async def _choose(self, project: str, words: Sequence[str]) -> Choice:
        async with self._settling:
            if self._known is not None:
                # What is not among the keys that were read once may have been added since.
                with suppress(FlowplanError):
                    return self.choose(words, self._known)
            self._known = await self._api.ssh_keys(project)
        return self.choose(words, self._known)

    async def of_launch(self, project: str, asked: Iterable[str]) -> list[str]:
        """The ids of a launch's keys; public keys that the project lacks are added to it.

        Raises:
            FlowplanError: what is asked for cannot be had, or the provider refuses a key.
        """
        choice = await self._choose(project, list(asked))
        if not choice.missing:
            return list(choice.fids)
        async with self._settling:
            # Why: another launch, here or elsewhere, may have added the key since, and two of one text may exist.
            self._known = await self._api.ssh_keys(project)
            fids = by_identity(self._known)
            for public in choice.missing:
                if identity(public) not in fids:
                    fids[identity(public)] = await self._add(project, public)
        return list(dict.fromkeys([*choice.fids, *(fids[identity(public)] for public in choice.missing)]))

    async def _add(self, project: str, public: str) -> str:
        comment = " ".join(public.split()[2:])
        body = {"project": project, "name": comment or "flowplan", "public_key": public}
        client = self._api.client
        got = await client.write("POST", "/v2/ssh-keys", body)
        if not isinstance(got, Answer):
            raise unreachable(got, client.base_url)
        if not 200 <= got.status < 300:
            raise client.denial(got, "an SSH key, which was to be added to the project")
        try:
            key = structure(SshKey, got.document())
        except ValueError as error:
            problem = str(error)
        else:
            self._known = [*(self._known or ()), key]
            return key.fid
        raise self._api.misshapen("the SSH key that was added", problem)
