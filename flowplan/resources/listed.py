"""What is taken from each item of a configured list, also while its values are unknown or sensitive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowplan.values.value import Sensitive, Unknown


def listed(value: Any, pick: Callable[[Any], Any] = lambda item: item) -> Any:
    """``pick`` of each item of a configured list (of none, where there is no list); unknown where the list is."""
    if isinstance(value, Unknown):
        return Unknown(
            value.references,
            value.source,
            evaluate=lambda lookup: listed(value.resolve(lookup), pick),
            sensitive=value.sensitive,
            type="list",
            needs=(value,),
        )
    if isinstance(value, Sensitive):
        return Sensitive(listed(value.reveal(), pick))
    return [pick(item) for item in value or ()]
