"""``flowplan fmt``: stack files in their one layout."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve

from flowplan.cli.context import Context
from flowplan.cli.project import LIMIT_BYTES, read_source

if TYPE_CHECKING:
    from flowplan.lang.stack import Source
    from flowplan.values.diagnostic import Diagnostic

UNFORMATTED = 3
"""The exit code of ``--check`` where a file is not in its layout (docs/exit-codes.md)."""
STDIN = "-"
_SUFFIXES = (".yaml", ".yml")


@click.command("fmt")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--check", is_flag=True, help="Write nothing; list what would change, and exit 3 if there is any."
)
@click.option("--diff", is_flag=True, help="Show what changes; with --check, nothing is written.")
@click.option("--recursive", is_flag=True, help="Format the files of subfolders too.")
def command(paths: tuple[str, ...], check: bool, diff: bool, recursive: bool) -> int:
    """Give the YAML files at each PATH (files or folders; - is standard input) their one layout.

    Only whitespace changes: comments, order, quotes and the text of scripts stay. The names of changed files are
    printed.
    """
    from flowplan.lang.format import format_text
    from flowplan.values.diagnostic import FlowplanError

    context = Context.make()
    wrong: list[Diagnostic] = []
    changed = False
    for name in paths or (".",):
        for path in _files(name, recursive):
            try:
                source = _standard_input() if path is None else read_source(path)
                result, found = format_text(source.path, source.text)
                wrong += found.in_order()
                if found.has_errors:
                    continue
                changed |= result != source.text
                if path is None:
                    _answer(source, result, check, diff, context)
                elif result != source.text:
                    _show(source, result, diff, context)
                    if not check:
                        write_whole(path, result)
            except FlowplanError as error:
                wrong += error.diagnostics
            except BrokenPipeError:
                raise
            except OSError as error:
                wrong.append(_unwritable(name if path is None else str(path), error))
    if wrong:
        raise FlowplanError(*wrong)
    return UNFORMATTED if check and changed else 0


def _files(name: str, recursive: bool) -> Iterator[Path | None]:
    """The files that an argument means, in the order of their names; None is standard input."""
    path = Path(name)
    if name == STDIN:
        yield None
    elif not path.is_dir():
        yield path
    else:
        for entry in sorted(path.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if recursive and not entry.is_symlink():
                    yield from _files(str(entry), recursive)
            elif entry.suffix in _SUFFIXES:
                yield entry


def _standard_input() -> Source:
    from flowplan.lang.files import decode
    from flowplan.lang.stack import Source
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    raw = sys.stdin.buffer.read(LIMIT_BYTES + 1)
    if len(raw) > LIMIT_BYTES:
        most = f"A stack file may have {LIMIT_BYTES // 1024**2} MiB."
        raise FlowplanError(Diagnostic.error("Standard input is too large", most))
    text, found = decode("<stdin>", raw)
    if found.has_errors:
        raise FlowplanError(*found)
    return Source("<stdin>", text)


def _answer(source: Source, result: str, check: bool, diff: bool, context: Context) -> None:
    if check or diff:
        if result != source.text:
            _show(source, result, diff, context)
        return
    # Why bytes: the line ends of the text are its own.
    sys.stdout.flush()
    sys.stdout.buffer.write(result.encode("utf-8"))
    sys.stdout.buffer.flush()


def _show(source: Source, result: str, diff: bool, context: Context) -> None:
    from flowplan.lang.explain import secret_texts
    from flowplan.report.paint import clean

    if not diff:
        click.echo(clean(source.path))
        return
    before, after = secret_texts(source), secret_texts(evolve(source, text=result))
    for line in _difference(source, result):
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        hidden = any(
            secrets is None or line[1:].strip() in secrets[0] or any(one in line for one in secrets[1])
            for secrets in (before, after)
        )
        told = hidden and not line.startswith(("---", "+++", "@@"))
        plain = f"{line[0]}(not shown: a value that may be secret)" if told else clean(line.rstrip("\r\n"))
        click.echo(context.paint(plain, colour) if colour else plain)


def _difference(source: Source, result: str) -> Iterable[str]:
    import difflib

    one, other = source.text.splitlines(keepends=True), result.splitlines(keepends=True)
    return difflib.unified_diff(one, other, source.path, f"{source.path} (formatted)")


def write_whole(path: Path, text: str) -> None:
    """Replace the text of a file at once, so that it is never half written; its mode stays, and links lead on.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode)
    if not os.access(target, os.W_OK):
        raise PermissionError(13, "it may not be written", str(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(mode)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _unwritable(name: str, error: OSError) -> Diagnostic:
    from flowplan.values.diagnostic import Diagnostic

    return Diagnostic.error(
        f"{name} cannot be formatted", f"{error.strerror or error}.", suggestion="It is as it was."
    )
