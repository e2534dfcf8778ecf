"""Learning what happened when an answer did not say: looking for our own creation by its handle."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from flowplan.apply.run import OutcomeUnknown, Run
from flowplan.plan.observe import is_certain, ours
from flowplan.ports import Ambiguous, Done, Handle, Observed
from flowplan.state.journal import Entry
from flowplan.values.diagnostic import Diagnostic, FlowplanError


def handle_of(entry: Entry) -> Handle:
    """The handle that an entry recorded before its request was sent."""
    return Handle(entry.kind, entry.name, entry.region, entry.seen, entry.digest)


async def look(run: Run, entry: Entry, window_s: float) -> list[Observed]:
    """Our live creations of ``entry``, oldest first; an empty list once the window has passed without one.

    Raises:
        FlowplanError: the provider cannot be asked, so nothing is known.
    """
    deadline = run.clock.monotonic() + window_s
    for pause in run.pauses():
        found = free(run, ours(entry, await run.provider.find(handle_of(entry))))
        if found or run.clock.monotonic() >= deadline:
            return found
        await run.clock.sleep(pause)
    raise AssertionError("the pauses never end")


def free(run: Run, found: Iterable[Observed]) -> list[Observed]:
    """Those of ``found`` that are not on record by now, and were not deleted: a list that lags may still show them."""
    taken = run.taken | run.ended | run.ended_before
    return [one for one in found if (one.kind, one.id) not in taken]


async def keep_one(run: Run, entry: Entry, found: list[Observed]) -> tuple[Observed, list[Diagnostic]]:
    """The oldest of several creations of one entry; the others are ended, and it is said.

    Only what is certainly ours is ended: it bears a name that was drawn for this creation, or its very script.
    """
    said = []
    for extra in found[1:]:
        is_ours = bool(entry.config.get("unique_name")) or is_certain(entry, extra)
        if not is_ours:
            summary = f"There is more than one {entry.kind.value} called {entry.name}"
            became = "may be another's and was left alone; please look at it."
        else:
            summary = f"The provider had made {entry.address} twice"
            became = "was deleted." if await _end(run, entry, extra) else "was not deleted; please delete it."
        said.append(
            Diagnostic.warning(summary, f"{found[0].id} is kept; {extra.id} {became}", address=entry.address)
        )
    return found[0], said


async def _end(run: Run, entry: Entry, extra: Observed) -> bool:
    """Whether a surplus creation is gone; False where the provider refuses to delete it.

    Raises:
        OutcomeUnknown: no one knows; the entry stays open, so that the next run sees both again.
    """
    reason = ""
    for _ in range(3):
        run.writer.check()
        outcome = await run.provider.delete(extra.kind, extra.id, f"{run.id}-{entry.number}-extra-{extra.id}")
        if not isinstance(outcome, Ambiguous):
            return isinstance(outcome, Done)
        reason = outcome.reason
        await run.clock.sleep(run.patience.poll_s)
    raise OutcomeUnknown(unknown_outcome(entry, reason))


def unknown_outcome(entry: Entry, reason: str, error: FlowplanError | None = None) -> Diagnostic:
    """The diagnostic for an outcome that could not be found out."""
    asked = f" Asking the provider failed as well: {error.diagnostics[0].summary}." if error else ""
    return evolve(
        Diagnostic.error(
            f"The outcome of the {entry.operation.value} of {entry.address} is not known",
            f"{reason}.{asked} The journal remembers it, and the next apply looks first and never doubles it.",
            suggestion="Run apply again when the provider answers.",
        ),
        address=entry.address,
    )
