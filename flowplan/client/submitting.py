"""Creating something once: the name is chosen first, and an unclear answer is settled by looking for that name.

The rules are those of `flowplan.apply.looking`. One is stricter: nothing is ever sent a second time, since no
journal would remember that there may be two.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flowplan.client.session import Session, pauses
from flowplan.plan.observe import ours
from flowplan.ports import Ambiguous, Done, Handle, Observed, Refused
from flowplan.state.journal import Entry, Operation
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

VISIBILITY_S = 10.0
"""How long after its request a new object may still be missing from the provider's lists."""
UNKNOWN = ExitCode.UNKNOWN
"""The exit code for an outcome that no one could find out."""
_TRIES = 3


async def create(session: Session, kind: Kind, attributes: Mapping[str, Any]) -> Observed:
    """Create an object, in one request, and return it.

    Raises:
        FlowplanError: it was refused; or (exit code 9) no one can tell whether it was made.
    """
    name, region = str(attributes["name"]), str(attributes.get("region") or "")
    seen = tuple(one.id for one in await session.provider.find(Handle(kind, name)))
    begun = session.clock.now()
    outcome = await session.provider.create(kind, attributes, f"api-{secrets.token_hex(16)}")
    if isinstance(outcome, Refused):
        raise FlowplanError(
            outcome.diagnostic, exit_code=ExitCode.TRANSIENT if outcome.transient else ExitCode.ERROR
        )
    if isinstance(outcome, Done):
        assert outcome.observed is not None
        return outcome.observed
    entry = Entry(
        operation=Operation.CREATE,
        address=Address(kind, "submitted"),
        run="api",
        begun_at=begun,
        name=name,
        region=region,
        seen=seen,
    )
    found = await _look(session, entry, outcome)
    for extra in found[1:]:
        if kind is not Kind.RESERVATION:  # which no request can take back
            await delete(session, kind, extra.id)
    return found[0]


async def _look(session: Session, entry: Entry, outcome: Ambiguous) -> list[Observed]:
    deadline, pause = session.clock.monotonic() + VISIBILITY_S, pauses()
    while True:
        asked = ""
        try:
            handle = Handle(entry.kind, entry.name, entry.region, entry.seen)
            found = ours(entry, await session.provider.find(handle))
        except FlowplanError as error:
            found, asked = [], f" Looking for it failed as well: {error}."
        if found:
            return found
        if session.clock.monotonic() >= deadline:
            raise FlowplanError(
                Diagnostic.error(
                    f"No one can tell whether {entry.kind.value} {entry.name} was created",
                    f"{outcome.reason}.{asked} Nothing was sent a second time.",
                    suggestion=f"Look for the name {entry.name} later; if it is not there, submit again.",
                ),
                exit_code=UNKNOWN,
            )
        await session.clock.sleep(pause())


async def delete(session: Session, kind: Kind, id: str) -> None:
    """Delete an object; one that is gone already is fine. A deletion may safely be sent again.

    Raises:
        FlowplanError: it was refused; or (exit code 9) no one can tell.
    """
    reason, pause = "", pauses()
    for _ in range(_TRIES):
        outcome = await session.provider.delete(kind, id, f"api-{secrets.token_hex(16)}")
        if isinstance(outcome, Done) or (isinstance(outcome, Refused) and outcome.gone):
            return
        if isinstance(outcome, Refused):
            raise FlowplanError(
                outcome.diagnostic, exit_code=ExitCode.TRANSIENT if outcome.transient else ExitCode.ERROR
            )
        reason = outcome.reason
        await session.clock.sleep(pause())
    raise FlowplanError(
        Diagnostic.error(
            f"No one can tell whether {kind.value} {id} was deleted",
            f"{reason}.",
            suggestion="Ask for it again later.",
        ),
        exit_code=UNKNOWN,
    )
