"""What all folders of one load have in common: findings, kinds, lookups, modules and the order of evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang.document import Document
from flowplan.lang.entries import Query, Results
from flowplan.lang.findings import Findings
from flowplan.lang.folders import Folders, NoFolders
from flowplan.lang.functions.bounds import MAX_TOTAL_WORK, Meter
from flowplan.lang.order import Order
from flowplan.lang.secret_source import Secrets
from flowplan.lang.sections import Sections
from flowplan.resources.attribute import ResourceKind
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Severity
from flowplan.values.value import Unknown

if TYPE_CHECKING:
    from flowplan.lang.world import World

KindOf = Callable[[Kind], ResourceKind]
"""Where the declarations of kinds come from."""
MAX_MODULES = 10_000
"""How many instances of modules a stack may have, nested ones included."""


class _Kinds(dict[Kind, ResourceKind]):
    """The declarations of kinds, each taken when it is first asked for: most stacks have no use for all."""

    def __init__(self, of: KindOf) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, kind: Kind) -> ResourceKind:
        found = self[kind] = self._of(kind)
        return found


class Shared:
    """The state of one load. ``asked`` are the lookups, ``results`` what came of those that were carried out.

    ``is_open``: something was left out of the stack because a lookup that decides it was not carried out.
    """

    def __init__(
        self,
        findings: Findings,
        kinds: KindOf,
        folders: Folders | None = None,
        results: Results | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self.findings = findings
        self.kinds = _Kinds(kinds)
        self.meter = Meter(MAX_TOTAL_WORK)
        self.folders = folders if folders is not None else NoFolders()
        self.results: Results = results if results is not None else {}
        self.secrets = secrets
        self.order = Order()
        self.asked: dict[str, Query] = {}
        self.is_open = False
        self.worlds: dict[tuple[str, ...], World] = {}
        self.sections: dict[str, Sections | None] = {}
        self.calls: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.modules = 0
        self._unanswered = False

    def unanswered(self, source: str) -> Unknown:
        """What stands for a lookup that was not carried out."""
        self._unanswered = True
        return Unknown((), source)

    def waits_for_lookup(self, value: Unknown) -> bool:
        """Whether a value is unknown for no other reason than a lookup that was not carried out."""
        return self._unanswered and not value.references

    def leave_open(self, document: Document, at: int, what: str, address: Address | None) -> None:
        """Say that something cannot be decided, since a lookup was not carried out; a warning."""
        self.is_open = True
        self.findings.at(
            document,
            at,
            f"{what} depends on a lookup that was not carried out, so this was not checked",
            "flowplan plan carries it out.",
            address=address,
            severity=Severity.WARNING,
        )


def plain(value: Any) -> Any:
    """A value of a document without its positions."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
