"""A machine's files seen from outside it: paths and links mean what they mean inside, and none leads out.

Standard library only.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path

HOME = "/root"
"""What a relative path is relative to."""
_MOST_LINKS = 40


class Root:
    """The file tree of one machine, rooted at the host's folder ``base``.

    ``mounts`` are further folders of the host by the place they have inside. ``aliases`` are the host's names of
    places inside: links made by a script that knows itself on the host begin with them. Every other absolute link
    starts at the machine's own root, and ``..`` stops there.
    """

    def __init__(
        self, base: str, mounts: Mapping[str, str] | None = None, aliases: Mapping[str, str] | None = None
    ) -> None:
        self._base = base
        self._mounts = dict(mounts or {})
        self._aliases = dict(aliases or {})

    def host(self, path: str) -> str:
        """Where a path without links, as `resolve` gives it, is on the host."""
        for place, folder in self._mounts.items():
            if path == place or path.startswith(place + "/"):
                return folder + path[len(place) :]
        return self._base + path

    def resolve(self, path: str, follow_last: bool = True) -> str:
        """The absolute path inside, without links, ``.`` and ``..``; what is missing is taken as it is written.

        Raises:
            OSError: links go round in a circle, or the path holds a null character.
        """
        if "\0" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        todo = posixpath.join(HOME, path).split("/")[::-1]
        found, links = "", 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                found = found.rpartition("/")[0]
                continue
            here = f"{found}/{name}"
            if not follow_last and not any(todo):
                return here
            try:
                text = str(Path(self.host(here)).readlink())
            except OSError:
                found = here
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if text.startswith("/"):
                found, text = "", self._inside(text)
            todo += text.split("/")[::-1]
        return found or "/"

    def read(self, path: str) -> bytes | None:
        """What an ordinary file holds; None if there is none at that path."""
        try:
            # Why not blocking: to open a pipe would wait for someone to write to it.
            descriptor = os.open(
                self.host(self.resolve(path)), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def _inside(self, text: str) -> str:
        for prefix, place in self._aliases.items():
            if text == prefix or text.startswith(prefix + "/"):
                return place + text[len(prefix) :]
        return text
