"""Long texts that objects name by a key: the startup scripts, most of what a sandbox holds.

They stay in the store until somebody asks for one. A key is made from the text, so a text never changes and is
kept once.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

Fetch = Callable[[list[str]], Mapping[str, str]]
"""The texts under these keys, each as a JSON string; those that are not there are left out."""
_MOST_KEPT = 1 << 23
"""How many characters are kept in memory."""


class Texts:
    """Texts by key; `fresh` holds those that the store has not got yet."""

    def __init__(self, fetch: Fetch = lambda _: {}) -> None:
        self._fetch = fetch
        self._known: OrderedDict[str, str] = OrderedDict()
        self._size = 0
        self.fresh: dict[str, str] = {}

    def keep(self, text: str) -> str:
        """Keep a text; its key."""
        encoded = json.dumps(text)
        key = hashlib.blake2b(encoded.encode(), digest_size=16).hexdigest()
        self.fresh[key] = encoded
        return key

    def read(self, key: str) -> str:
        """The text under a key."""
        found: str = json.loads(self.encoded(key))
        return found

    def encoded(self, key: str) -> str:
        """The same as JSON. It is empty if there is no such text: the sandbox was reset by another process."""
        found = self.fresh.get(key) or self._known.get(key)
        if found is None:
            self.prepare([key])
            found = self._known.get(key, '""')
        return found

    def prepare(self, keys: Iterable[str]) -> None:
        """Fetch at once what will be asked for next."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._known and key not in self.fresh]
        if missing:
            for key, encoded in self._fetch(missing).items():
                self._add(key, encoded)

    def stored(self) -> None:
        """The fresh ones are in the store now."""
        for key, encoded in self.fresh.items():
            if key not in self._known:
                self._add(key, encoded)
        self.fresh.clear()

    def _add(self, key: str, encoded: str) -> None:
        self._known[key] = encoded
        self._size += len(encoded)
        while self._size > _MOST_KEPT and len(self._known) > 1:
            self._size -= len(self._known.popitem(last=False)[1])
