"""What came of an apply, in words: done, failed, skipped and unknown told apart, and how to go on."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.apply.run import Result
from flowplan.plan.change import Mode, Plan, Step, StepKind
from flowplan.report.paint import Paint, clean

MOST = 20
"""How many names a list of the summary holds at most; the others are counted."""


def render_summary(plan: Plan, result: Result, again: str, paint: Paint) -> str:
    """The closing lines of an apply; ``again`` is the command that goes on from here."""
    destroying = plan.mode is Mode.DESTROY
    what = "Destroy" if destroying else "Apply"
    text = count_words(result.done, destroying)
    if result.ok:
        return paint(f"{what} complete! Resources: {text}.", "green", "bold")
    lines = [paint(f"{what} {_state(result)}. Resources: {text}.", "red", "bold")]
    lines += _list("Failed", [f"{_named(f.step)}: {clean(f.diagnostic.summary)}" for f in result.failed])
    lines += _list("Outcome unknown", [_named(f.step) for f in result.unknown])
    lines += _list("In flight when it was stopped (the journal knows)", [_named(s) for s in result.cut])
    skipped = {step.address: (step, because) for step, because in result.skipped}
    lines += _list(
        "Skipped",
        [f"{clean(str(s.address))} (needs {clean(str(b.address))})" for s, b in skipped.values()],
    )
    lines += _list("No longer waited for", [clean(str(step.address)) for step in result.given_up])
    begun = [step for step in result.not_started if step.kind is not StepKind.AWAIT]
    lines += _list("Not started", [_named(step) for step in begun])
    lines += _list("Undone", [clean(str(step.address)) for step in result.undone])
    lines += _list("Kept", [f"{clean(str(address))}: {why}" for address, why in result.kept])
    lines.append(f"  To go on: {clean(again)}")
    return "\n".join(lines)


def _state(result: Result) -> str:
    if result.interrupted:
        return "interrupted"
    return "undone" if result.undone else "incomplete"


def _named(step: Step) -> str:
    return f"{clean(str(step.address))} ({step.kind.value})"


def _list(title: str, names: Iterable[str]) -> list[str]:
    unique = list(dict.fromkeys(names))
    if not unique:
        return []
    more = [f"    and {len(unique) - MOST} more"] if len(unique) > MOST else []
    return [f"  {title}:", *(f"    {name}" for name in unique[:MOST]), *more]


def count_words(done: Iterable[Step], destroying: bool) -> str:
    """How many resources were added and so on, as one sentence's part."""
    counts = counts_of(done)
    if destroying:
        text = f"{counts['destroyed']} destroyed"
    else:
        text = f"{counts['added']} added, {counts['changed']} changed, {counts['destroyed']} destroyed"
    return text + (f", {counts['forgotten']} forgotten" if counts["forgotten"] else "")


_WORDS = {
    StepKind.CREATE: "added",
    StepKind.UPDATE: "changed",
    StepKind.DELETE: "destroyed",
    StepKind.FORGET: "forgotten",
}


def counts_of(done: Iterable[Step]) -> dict[str, int]:
    """How many resources were added, changed, destroyed and forgotten."""
    counts = {"added": 0, "changed": 0, "destroyed": 0, "forgotten": 0}
    for step in done:
        if step.kind in _WORDS:
            counts[_WORDS[step.kind]] += 1
    return counts
