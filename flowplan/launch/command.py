"""How the documented ``command`` field is run: its three forms, and the pauses between attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.values.classes import frozen

# The kernel takes at most 128 KiB as one argument of a program; longer shell lines go through a file.
_LONGEST_ARGUMENT = 100_000


@frozen
class Command:
    """A command in one of its three forms: exactly one of ``argv``, ``line`` and ``script`` is set.

    ``direct`` says that the script starts with a shebang and is executed by the program named there.
    """

    argv: tuple[str, ...] = ()
    line: str = ""
    script: str = ""
    direct: bool = False

    @classmethod
    def of(cls, command: str | list[str] | tuple[str, ...] | None) -> Command:
        """The form of a ``command`` field; nothing at all means the documented ``sleep infinity``."""
        if not command:
            return cls(line="sleep infinity")
        if not isinstance(command, str):
            return cls(argv=tuple(command))
        if command.lstrip().startswith("#!"):
            # The kernel looks for the shebang in the very first bytes.
            return cls(script=command.lstrip(), direct=True)
        if "\n" in command.strip("\n") or len(command) > _LONGEST_ARGUMENT:
            return cls(script=command)
        return cls(line=command)


def delays(retries: Mapping[str, Any] | None) -> list[str]:
    """The pause before each retry, in seconds as ``sleep`` reads them; empty without a retry policy."""
    if not retries:
        return []
    from flowplan.models.retries import Retries

    policy = Retries(**retries)
    pauses = (policy.get_delay(number) for number in range(1, policy.max_retries + 1))
    return [f"{pause:.3f}".rstrip("0").rstrip(".") for pause in pauses]
