"""Whether what a saved plan was made from is still so: the stack's files, its code, and the objects it touches."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from flowplan.cli.code import read_code
from flowplan.cli.context import Connection, Context
from flowplan.cli.planning import Planned, look_at
from flowplan.cli.project import LIMIT_BYTES
from flowplan.cli.witness import Witness
from flowplan.lang.files import VARIABLES_FILE, is_stack_file
from flowplan.plan.change import Action
from flowplan.plan.planfile import PlanFile, file_digest, stale
from flowplan.plan.staleness import changed_objects
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.bounded import read_at_most
from flowplan.values.diagnostic import Diagnostic


def edited_sources(plan_file: PlanFile, folder: Path, is_folder: bool) -> Iterator[Diagnostic]:
    """A warning that names each file of the stack that was edited, added or deleted after the plan was made."""
    told = []
    known = {Path(source.path).name: source.text for source in plan_file.sources}
    for name, text in known.items():
        try:
            now = read_at_most(folder / name, LIMIT_BYTES).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            told.append(f"{name} is not there any more")
            continue
        if now.removeprefix("\ufeff") != text.removeprefix("\ufeff"):
            told.append(f"{name} was edited")
    if is_folder:
        told += [
            f"{entry.name} is new"
            for entry in sorted(folder.iterdir())
            if is_stack_file(entry.name)
            and entry.name != VARIABLES_FILE
            and not entry.name.startswith(".")
            and entry.name not in known
        ]
    if told:
        yield Diagnostic.warning(
            "The stack has changed since the plan was made",
            f"{', '.join(told)}. The plan is applied as it was made, without that.",
            suggestion="Plan and apply again afterwards to bring the rest about.",
        )


def edited_files(plan_file: PlanFile, witness: Witness, key: bytes) -> list[str]:
    """The files that the stack reads, besides its own text, and that are not as they were, by path."""
    key = key or plan_file.salt
    now = {path: file_digest(text, key) for path, text in witness.texts.items()}
    known = {path: digest for path, digest in plan_file.files.items() if not path.endswith(_CODE)}
    return sorted(path for path in {*now, *known} if now.get(path) != known.get(path))


_CODE = " (the code to upload)"


def code_digests(planned: Planned, key: bytes, plan_path: Path) -> dict[str, str]:
    """Keyed digests of the code that the tasks to be made would upload, by folder; the plan's own file is no part of it."""
    folder, found = planned.loaded.files.folder, {}
    for change in planned.plan.changes:
        after = change.after or {}
        if (
            change.kind is not Kind.TASK
            or change.action not in (Action.CREATE, Action.REPLACE)
            or after.get("upload_code") is not True
        ):
            continue
        root = after.get("code_root")
        place = folder / root if isinstance(root, str) else folder
        name = f"{root if isinstance(root, str) else '.'}{_CODE}"
        if name not in found:
            found[name] = _digest_of_code(place, key, plan_path)
    return found


def _digest_of_code(folder: Path, key: bytes, plan_path: Path) -> str:
    digest = hmac.new(key, b"", hashlib.sha256)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(read_code(folder)))) as archive:
        for member in archive:
            if (folder / member.name).resolve() == plan_path.resolve():
                continue
            file = archive.extractfile(member)
            content = file.read() if file is not None else b""
            digest.update(f"{len(member.name)} {member.name} {member.mode} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


async def refuse_changed_objects(
    context: Context, connection: Connection, planned: Planned, snapshot: Snapshot
) -> None:
    """Look once more at what a saved plan touches, and refuse it where that is not as the plan saw it.

    A plan that was made with ``--refresh=false`` saw nothing, so there is nothing to compare.

    Raises:
        FlowplanError: something has changed (exit code 8); the message names each object and attribute.
    """
    if planned.observation is None or not planned.plan.changes:
        return
    now = await look_at(context, connection, planned.loaded.stack, snapshot, ())
    if told := changed_objects(planned.plan, snapshot, planned.observation, now):
        lines = "\n".join(f"- {line}" for line in told)
        raise stale(f"What the plan is about has changed at the provider since it was made:\n{lines}")
