"""Which modules a folder's texts call, without evaluating anything: what there is to pin."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.lang.document import Map
from flowplan.lang.files import is_stack_file
from flowplan.lang.findings import Findings
from flowplan.lang.sections import Sections
from flowplan.lang.stack import Source
from flowplan.lang.template import is_template
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostics, Span


@frozen
class Call:
    """One call: the folder as it is written, and where."""

    source: str
    span: Span
    snippet: str


def module_sources(sources: Sequence[Source], is_module: bool) -> tuple[list[Call], Diagnostics]:
    """The calls in the texts of one folder, and what makes a text unreadable."""
    findings = Findings()
    sections = Sections(findings, is_module)
    for source in sources:
        if is_stack_file(source.path) or len(sources) == 1:
            sections.read(source)
    calls: list[Call] = []
    for entry in sections.items("modules", "module")[0]:
        source_node = entry.node.get("source") if type(entry.node) is Map else None
        if isinstance(source_node, str) and not is_template(source_node):
            span, snippet = entry.document.locate(entry.node.value_at("source"))
            calls.append(Call(source_node, span, snippet))
    found = findings.finish([source.path for source in sources])
    return calls, found if sections.unreadable else Diagnostics()
