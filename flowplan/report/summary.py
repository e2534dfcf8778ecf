"""What came of an apply, in words: done, failed, skipped and unknown told apart, and how to go on."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.apply.run import Result
from flowplan.plan.change import Mode, Plan, Step, StepKind
from flowplan.report.paint import Paint, clean


def render_summary(plan: Plan, result: Result, again: str, paint: Paint) -> str:
    """The closing lines of an apply; ``again`` is the command that goes on from here."""
    counts = _counts(result.done)
    destroying = plan.mode is Mode.DESTROY
    what = "Destroy" if destroying else "Apply"
    if destroying:
        text = f"{counts['destroyed']} destroyed"
    else:
        text = f"{counts['added']} added, {counts['changed']} changed, {counts['destroyed']} destroyed"
    if counts["forgotten"]:
        text += f", {counts['forgotten']} forgotten"
    if result.ok:
        return paint(f"{what} complete! Resources: {text}.", "green", "bold")
    state = "interrupted" if result.interrupted else "incomplete"
    lines = [paint(f"{what} {state}. Resources: {text}.", "red", "bold")]
    lines += _list("Failed", (f.step for f in result.failed))
    lines += _list("Outcome unknown", (f.step for f in result.unknown))
    if result.skipped:
        lines.append("  Skipped:")
        lines += [
            f"    {clean(str(s.address))} (needs {clean(str(b.address))})" for s, b in _unique(result.skipped)
        ]
    lines += _list("Not started", result.not_started)
    lines.append(f"  To go on: {again}")
    return "\n".join(lines)


def _list(title: str, steps: Iterable[Step]) -> list[str]:
    names = list(dict.fromkeys(f"{clean(str(s.address))} ({s.kind.value})" for s in steps))
    return [f"  {title}:", *(f"    {name}" for name in names)] if names else []


def _unique(pairs: Iterable[tuple[Step, Step]]) -> list[tuple[Step, Step]]:
    return list({step.address: (step, because) for step, because in pairs}.values())


def _counts(done: Iterable[Step]) -> dict[str, int]:
    counts = {"added": 0, "changed": 0, "destroyed": 0, "forgotten": 0}
    words = {
        StepKind.CREATE: "added",
        StepKind.UPDATE: "changed",
        StepKind.DELETE: "destroyed",
        StepKind.FORGET: "forgotten",
    }
    for step in done:
        if step.kind in words:
            counts[words[step.kind]] += 1
    return counts
