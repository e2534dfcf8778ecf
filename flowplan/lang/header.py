"""What a stack says of itself: its name, what it requires of flowplan, and where its resources live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.findings import Findings
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Sections, name_advice
from flowplan.lang.stack import ProviderSettings
from flowplan.values.address import NAME
from flowplan.values.diagnostic import did_you_mean

if TYPE_CHECKING:
    from flowplan.lang.world import World

PROVIDERS = ("sandbox", "mithril")
"""The types of providers."""
PROVIDER_FIELDS = ("type", "project", "region", "api_url")
"""The fields of the ``provider`` section."""
_WRITE = 'Write it as requires: ">=0.1".'


def check_requires(findings: Findings, sections: Sections, tool_version: str) -> None:
    """Report each ``requires`` that is none, or that this version does not meet."""
    for entry in sections.named("requires"):
        from packaging.specifiers import InvalidSpecifier, SpecifierSet
        from packaging.version import InvalidVersion

        if not isinstance(entry.node, str):
            what = f"requires must be a text, not {describe(entry.node)}"
            findings.at(entry.document, entry.node_at, what, _WRITE)
            continue
        try:
            fits = SpecifierSet(entry.node).contains(tool_version, prereleases=True)
        except (InvalidSpecifier, InvalidVersion):
            findings.at(entry.document, entry.node_at, f"{entry.node!r} is not a version constraint", _WRITE)
            continue
        if not fits:
            noun = "module" if sections.module else "stack"
            findings.at(
                entry.document, entry.node_at,
                f"this {noun} requires flowplan {entry.node}, and this is {tool_version}",
                "Install a version that fits, or change requires.",
            )  # fmt: skip


def check_name(findings: Findings, sections: Sections) -> None:
    """Report a stack without a name."""
    if not sections.named("stack"):
        document = sections.documents[0] if sections.documents else Document("stack", "")
        findings.at(document, 0, "the stack has no name", "Add a line such as stack: my-stack.", end=0)


def read_text(world: World, sections: Sections, section: str) -> str:
    """The text of a section such as ``stack``; "" where there is none, or after a report."""
    for entry in sections.named(section)[:1]:
        if entry.node is None:
            world.findings.at(entry.document, entry.at, f"{section} is empty", f"Write {section}: NAME.")
            return ""
        scope = Scope(world, entry.document)
        value = scope.shape(entry.node, entry.node_at, section, str, lookups=False)
        if value is None:
            return ""
        if section == "stack" and NAME.fullmatch(value) is None:
            what = f"{value!r} cannot be the name of a stack"
            world.findings.at(entry.document, entry.node_at, what, name_advice(value))
        return str(value)
    return ""


def read_provider(world: World, sections: Sections) -> ProviderSettings:
    """The ``provider`` section; mistakes are reported."""
    for entry in sections.named("provider")[:1]:
        scope = Scope(world, entry.document)
        if type(entry.node) is not Map:
            scope.fail(
                entry.node_at,
                f"provider must be a mapping, not {describe(entry.node)}",
                "Write type: mithril below provider:.",
            )
            break
        found: dict[str, str] = {}
        for key, value in entry.node.items():
            at = entry.node.value_at(key)
            if "key" in str(key) or "token" in str(key):
                entry.document.hide(entry.node.value_at(key), value)
                entry.document.hide(entry.node.key_at(key), key)
                scope.fail(
                    entry.node.key_at(key),
                    f"{key} cannot stand in a stack: credentials come from the environment",
                    "Remove it, and set MITHRIL_API_KEY.",
                )
                continue
            if key not in PROVIDER_FIELDS:
                unknown_key(scope, entry.node, key, "provider", PROVIDER_FIELDS)
                continue
            what = f"provider.{key}"
            text = scope.shape(value, at, what, str, lookups=False) if value is not None else None
            if text is None:
                continue
            if key == "type" and text not in PROVIDERS:
                near = did_you_mean(text, PROVIDERS) or f"The providers are: {', '.join(PROVIDERS)}."
                scope.fail(at, f"there is no provider {text!r}", near)
            else:
                found[key] = text
        return ProviderSettings(**found, span=entry.document.span(entry.at, entry.at + len("provider")))
    return ProviderSettings()
