"""The sandbox's own SSH keys, made on first use: one pair for its users, one for its server."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    import asyncssh

_RSA_BITS = 2048


def user_key(home: Path) -> tuple[Path, str]:
    """The file of the private key that opens instances by default, and the text of its public half.

    Raises:
        FlowplanError: the file cannot be written or holds no key.
    """
    path = home / "ssh" / "id_ed25519"
    public = _key(path, "sandbox-default").export_public_key().decode().strip()
    beside = path.with_name(path.name + ".pub")
    try:
        if not beside.exists() or beside.read_text().strip() != public:
            beside.write_text(public + "\n")
    except OSError as error:
        raise FlowplanError(Diagnostic.error(f"{beside} cannot be written", str(error))) from error
    return path, public


def host_key(home: Path) -> asyncssh.SSHKey:
    """The key by which the server is known; the same for all instances and as long as the folder lives.

    Raises:
        FlowplanError: the file cannot be written or holds no key.
    """
    return _key(home / "ssh" / "host_ed25519", "sandbox-host")


def new_key_pair() -> tuple[str, str]:
    """A fresh RSA key pair: the private key in PEM form and the public key, as OpenSSH writes them.

    It is made by the library for SSH where that is installed, else by ``ssh-keygen``.

    Raises:
        FlowplanError: neither is there.
    """
    from importlib.util import find_spec

    if find_spec("asyncssh") is None:
        return _pair_of_ssh_keygen()
    import asyncssh

    pair = asyncssh.generate_private_key("ssh-rsa", key_size=_RSA_BITS)
    private = pair.export_private_key("pkcs1-pem").decode()
    return private, pair.export_public_key().decode().strip()


def _pair_of_ssh_keygen() -> tuple[str, str]:
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        command = ["ssh-keygen", "-q", "-t", "rsa", "-b", str(_RSA_BITS), "-m", "PEM", "-N", "", "-C", ""]
        try:
            subprocess.run([*command, "-f", str(path)], check=True, capture_output=True)
            return path.read_text(), Path(f"{path}.pub").read_text().strip()
        except (OSError, subprocess.CalledProcessError) as error:
            hint = "Install asyncssh or ssh-keygen, or send a public_key."
            raise FlowplanError(
                Diagnostic.error("No SSH key pair can be made", str(error), suggestion=hint)
            ) from error


def _key(path: Path, comment: str) -> asyncssh.SSHKey:
    import asyncssh

    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            fresh = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
            draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(fresh.export_private_key())
                # A link fails where the file exists: of two first users one wins, and both use its key.
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink(missing_ok=True)
        return asyncssh.read_private_key(path)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        hint = "Remove the file; a new key is made then."
        raise FlowplanError(
            Diagnostic.error(f"The SSH key {path} cannot be used", str(error), suggestion=hint)
        ) from error
