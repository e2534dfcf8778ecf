"""The files of a stack's folder: which are part of the stack, and what their bytes say.

Apart from the rest of the language, since a stack whose evaluated form was kept (`flowplan.lang.evaluated`) needs
nothing of it.
"""

from __future__ import annotations

from flowplan.values.diagnostic import Diagnostics

VARIABLES_FILE = "flowplan.vars.yaml"
"""The file of values beside a stack."""
LOCK_FILE = "flowplan.lock.yaml"
"""The file beside a stack that pins the modules from outside the repository."""


def is_stack_file(path: str) -> bool:
    """Whether a file of a stack's folder is part of the stack: a YAML file, no values, lock or task's own file."""
    name = path.rsplit("/", 1)[-1]
    return (
        name.endswith((".yaml", ".yml"))
        and name not in (VARIABLES_FILE, LOCK_FILE)
        and not name.endswith((".task.yaml", ".task.yml", ".vars.yaml", ".vars.yml"))
    )


def decode(path: str, raw: bytes) -> tuple[str, Diagnostics]:
    """The text of a file's bytes: UTF-8, with or without a byte order mark."""
    found = Diagnostics()
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8"), found
    except UnicodeDecodeError as error:
        from flowplan.lang.document import Document

        document = Document(path, raw[: error.start].decode("utf-8"), secret=True)
        found.error(
            f"{path} is not UTF-8: the byte 0x{raw[error.start]:02x} cannot stand here",
            span=document.span(len(document.text), len(document.text) + 1),
            suggestion="Save the file as UTF-8.",
        )
        return "", found
