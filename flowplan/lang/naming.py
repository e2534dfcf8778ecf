"""What resources are called at the provider when they do not say so themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from flowplan.values.address import Kind

_LONGEST = 64


def default_name(kind: Kind, stack: str, name: str, key: str = "") -> str:
    """A resource's own name and key, in lower case and with hyphens.

    A task gets a random suffix when it is made. Volumes and reservations do not, and volume names are unique
    in a project, so theirs start with the stack's name. One that is too long ends in a digest.
    """
    parts = [name, key] if kind is Kind.TASK else [stack, name, key]
    text = re.sub(r"[^a-z0-9]+", "-", "-".join(part for part in parts if part).lower()).strip("-")
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 7].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


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
