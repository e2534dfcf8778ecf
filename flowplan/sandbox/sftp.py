"""Files over SSH: SFTP and scp in the root of one machine, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.sandbox.confined import Root

if TYPE_CHECKING:
    import asyncssh


def serve_files(channel: asyncssh.SSHServerChannel[bytes], root: Root) -> asyncssh.SFTPServer:
    """An SFTP server whose every path is one of ``root``'s."""
    import asyncssh

    class Files(asyncssh.SFTPServer):
        """The base class acts on what `map_path` gives, and follows a link there: so it is never shown one."""

        def map_path(self, path: bytes) -> bytes:
            return os.fsencode(root.host(root.resolve(os.fsdecode(path), follow_last=False)))

        def reverse_map_path(self, path: bytes) -> bytes:
            return path

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
            return super().open(_followed(path), pflags, attrs)

        def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> Any:
            return super().open56(_followed(path), desired_access, flags, attrs)

        def stat(self, path: bytes) -> Any:
            return super().stat(_followed(path))

        def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
            return super().setstat(_followed(path), attrs)

        def statvfs(self, path: bytes) -> Any:
            return super().statvfs(_followed(path))

        def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            return super().scandir(_followed(path))

        def realpath(self, path: bytes) -> bytes:
            return _followed(path)

        def readlink(self, path: bytes) -> bytes:
            return os.fsencode(Path(os.fsdecode(self.map_path(path))).readlink())

        def symlink(self, oldpath: bytes, newpath: bytes) -> None:
            # The text of a link may be anything: it means a place in this root whoever reads it here.
            Path(os.fsdecode(self.map_path(newpath))).symlink_to(os.fsdecode(oldpath))

        def link(self, oldpath: bytes, newpath: bytes) -> None:
            os.link(self.map_path(oldpath), self.map_path(newpath), follow_symlinks=False)

    def _followed(path: bytes) -> bytes:
        return os.fsencode(root.resolve(os.fsdecode(path)))

    return Files(channel)
