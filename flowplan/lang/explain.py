"""Where the values of variables come from: every source that gives one, and which of them wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from flowplan.lang.build import parse_document
from flowplan.lang.document import Document, Map, lines_of
from flowplan.lang.files import VARIABLES_FILE, is_stack_file
from flowplan.lang.secret_source import Secrets
from flowplan.lang.secrets import hide_secrets
from flowplan.lang.stack import Source
from flowplan.lang.value_types import ValueType, plain, read_text, type_of
from flowplan.lang.variables import FIELDS, VariableSource, in_doubt, parse_variables
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostics, Span
from flowplan.values.value import Sensitive, leaves

DEFAULT = "default"
"""The name of the weakest source: the declaration's own default."""


@frozen
class Given:
    """A value that one source gives. ``problem`` says what is wrong with it, "" for nothing."""

    source: str
    value: Any
    problem: str = ""


@frozen
class Explanation:
    """A variable as it is declared, and what is given for it, weakest first: the last one wins."""

    name: str
    type: str | None
    description: str
    sensitive: bool
    deprecated: bool
    given: tuple[Given, ...]
    span: Span

    @property
    def chosen(self) -> Given | None:
        """What it will be; None where no source gives a value."""
        return self.given[-1] if self.given else None


def explain_variables(
    sources: Sequence[Source], inputs: Sequence[VariableSource], secrets: Secrets | None = None
) -> tuple[dict[str, Explanation], Diagnostics]:
    """Every variable that the stack's texts declare, in their order, with all that ``inputs`` (weakest first) give.

    Nothing but the texts' form and the variables' types is checked, so this works for stacks that are not valid.
    Values of sensitive variables are `Sensitive`.
    """
    found = Diagnostics()
    given: list[VariableSource] = []
    declared: dict[str, tuple[Document, int, Any]] = {}
    for source in sources:
        if source.path.rsplit("/", 1)[-1] == VARIABLES_FILE:
            values, problems = parse_variables(source)
            given.append(values)
            found.extend(problems)
        elif is_stack_file(source.path) or len(sources) == 1:
            document, problems = parse_document(source.path, source.text)
            found.extend(problems)
            for name, at, node in _declarations(document):
                declared.setdefault(name, (document, at, node))
    hidden = in_doubt(document.text for document, _, node in declared.values() if _is_wrong(node))
    explained = {
        name: _explained(name, document.span(at, at + len(name)), node, [*given, *inputs], hidden, secrets)
        for name, (document, at, node) in declared.items()
    }
    return explained, found


def secret_texts(source: Source) -> tuple[set[str], list[str]] | None:
    """What must not be shown of a file: whole lines (without blanks around them), and texts wherever they stand.

    None: nothing of the file may be shown, because it is a file of values.
    """
    name = source.path.rsplit("/", 1)[-1]
    if name.endswith(("vars.yaml", "vars.yml")):
        return None
    document, _ = parse_document(source.path, source.text)
    secrets = hide_secrets(document)
    lines = {line.strip() for number, line in enumerate(lines_of(source.text), 1) if document.hides(number)}
    said = [str(leaf) for _, leaf in leaves(secrets) if leaf is not None]
    return lines, [line.strip() for text in said for line in text.splitlines() if len(line.strip()) > 1]


def _declarations(document: Document) -> Iterator[tuple[str, int, Any]]:
    """Name, offset and body of each variable in a text."""
    root = document.root
    section = root.get("variables") if type(root) is Map else None
    if type(section) is Map:
        for index, (name, node) in enumerate(section.items()):
            if isinstance(name, str):
                yield name, section.marks[2 * index], node


def _is_wrong(node: Any) -> bool:
    """Whether a declaration is none, or says what none can say: ``sensitive`` may be what was meant."""
    return node is not None and (type(node) is not Map or any(key not in FIELDS for key in node))


def _explained(
    name: str, span: Span, node: Any, sources: Sequence[VariableSource], hidden: bool, secrets: Secrets | None
) -> Explanation:
    body: Mapping[Any, Any] = node if type(node) is Map else {}
    kind, _ = type_of(body)
    named = body.get("secret")
    sensitive = hidden or named is not None or _is_wrong(node) or body.get("sensitive", False) is not False
    nullable = "default" in body and body["default"] is None
    given = []
    if "default" in body:
        given.append(_given(DEFAULT, plain(body["default"]), False, kind, nullable, sensitive))
    if isinstance(named, str):
        text, problem = "", ""
        try:
            text = secrets(named) if secrets is not None else ""
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
        told = _given(f"secret {named}", text, True, kind if not problem else None, nullable, True)
        given.append(evolve(told, problem=problem) if problem else told)
    for source in sources:
        if name in source.values:
            raw = source.values[name]
            given.append(_given(_place(source, name), raw, source.is_text, kind, nullable, sensitive))
    description = body.get("description")
    deprecated = body.get("deprecated", False) not in (False, None, "")
    words = description if isinstance(description, str) else ""
    return Explanation(name, str(kind) if kind else None, words, sensitive, deprecated, tuple(given), span)


def _given(
    source: str, raw: Any, is_text: bool, kind: ValueType | None, nullable: bool, sensitive: bool
) -> Given:
    value, problem = raw, ""
    try:
        value = read_text(kind.word if kind is not None else None, raw) if is_text else raw
        if kind is not None and not (value is None and nullable):
            value, misfits = kind.take(value)
            problem = (
                "does not fit its type" if misfits and sensitive else misfits[0].summary if misfits else ""
            )
    except ValueError as error:
        problem = f"must be {error}"
    return Given(source, Sensitive(value) if sensitive else value, problem)


def _place(source: VariableSource, name: str) -> str:
    """A source as its user knows it, with the line where a file gives the value."""
    span, _ = source.span_of(name)
    if span is not None and span.line:
        return f"{span.source}:{span.line}"
    if "*" in source.name:
        return source.name.replace("*", name)
    return f"{source.name} {name}" if source.name.startswith("--") else source.name
