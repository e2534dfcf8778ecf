"""What ``replace_triggered_by`` compares: the value of each reference when its dependent was last applied, and now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flowplan.resources import kind_of
from flowplan.values.value import Reference, dump, seal


def trigger_value(
    reference: Reference, id: str, config: Mapping[str, Any], attributes: Mapping[str, Any], key: bytes
) -> Any:
    """The sealed value of a reference: of a whole resource, its id and a digest of its configuration."""
    sealed = seal(dict(config), key)
    if not reference.attribute:
        text = json.dumps(dump(sealed), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return {"id": id, "config": hashlib.sha256(text.encode()).hexdigest()}
    if reference.attribute == kind_of(reference.address.kind).id_attribute:
        return id
    if reference.attribute in sealed:
        return sealed[reference.attribute]
    return seal(attributes.get(reference.attribute), key)
