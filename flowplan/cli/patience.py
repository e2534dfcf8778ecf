"""How long an apply waits for things, as far as the environment says."""

from __future__ import annotations

from collections.abc import Mapping

from flowplan.apply.run import Patience
from flowplan.wiring import duration_of


def patience(environ: Mapping[str, str]) -> Patience:
    """The usual patience, with FLOWPLAN_VISIBILITY_WINDOW where it is set.

    Raises:
        FlowplanError: it is no duration.
    """
    window = duration_of(environ, "FLOWPLAN_VISIBILITY_WINDOW")
    return Patience() if window is None else Patience(visibility_s=window)
