"""What a provider's answer comes down to: done, refused, or no one can tell; and how our own is recognised."""

from __future__ import annotations

from flowplan.plan.observation import Observed
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic


@frozen
class Handle:
    """What lets us recognise our own creation later (apply-protocol.md, "Words").

    Chosen and recorded before the request is sent. ``seen`` are the ids that already bore ``name`` then;
    ``digest`` is that of the startup script that was sent, which bears a mark of its own; "" without one.
    """

    kind: Kind
    name: str
    region: str = ""
    seen: tuple[str, ...] = ()
    digest: str = ""


@frozen
class Done:
    """The provider did it. ``observed`` is the object as it now is; None after a deletion."""

    observed: Observed | None


@frozen
class Refused:
    """The provider definitely did not do it; ``transient`` when trying again later may work."""

    diagnostic: Diagnostic
    transient: bool = False
    gone: bool = False
    """The object does not exist (404)."""
    status: int = 0


@frozen
class Ambiguous:
    """No one can tell from the answer whether it happened: time-out, lost connection, 5xx, unreadable answer."""

    reason: str


Outcome = Done | Refused | Ambiguous
