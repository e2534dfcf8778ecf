"""What resources are called at the provider when they do not say so themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from flowplan.values.address import Kind

_LONGEST = 64


def default_name(kind: Kind, stack: str, name: str, key: str = "", module: tuple[str, ...] = ()) -> str:
    """A resource's own name and key, in lower case and with hyphens; in a module, after the module's (`module_slug`).

    A task gets a random suffix when it is made. Volumes and reservations do not, and volume names are unique
    in a project, so theirs start with the stack's name. One that is too long ends in a digest.
    """
    head = "" if kind is Kind.TASK else stack
    if module:
        # Why two hyphens: no name has them after this, so that no two resources of different modules are called alike.
        text = "--".join(
            _hyphened(part) for part in ("-".join(p for p in (head, module[0]) if p), *module[1:])
        )
        text = f"{text}--{_hyphened('-'.join(part for part in (name, key) if part))}"
    else:
        text = _hyphened("-".join(part for part in (head, name, key) if part))
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 7].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _hyphened(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def module_slug(name: str, key: str | None) -> str:
    """What an instance of a module adds to the names of its resources: its name, and a digest of its key if it has one.

    Why a digest: ``module.net["a"]`` and ``module.net-a`` would have the same name without one.
    """
    if key is None:
        return name
    return f"{name}-{_hyphened(key)}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}"


def slugs(keys: Iterable[str]) -> Mapping[str, str]:
    """For each ``for_each`` key a piece of a name: its letters and digits, and a digest where two would be alike."""
    plain = {key: re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-") for key in keys}
    count: dict[str, int] = {}
    for slug in plain.values():
        count[slug] = count.get(slug, 0) + 1
    return {
        key: slug
        if slug and count[slug] == 1
        else f"{slug}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}".lstrip("-")
        for key, slug in plain.items()
    }
