"""The steps of each operation: intent recorded first, then the request, then what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from flowplan.apply import launching
from flowplan.apply.launching import Launch
from flowplan.apply.looking import keep_one, look, unknown_outcome
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.apply.updating import TRIES, already_so, end_update, finish_update, is_as_asked, resumes
from flowplan.launch import ends_itself
from flowplan.plan.change import ResourceChange, Step
from flowplan.plan.observe import adopt
from flowplan.ports import Ambiguous, Done, EventKind, Handle, Refused, StoreError
from flowplan.resources import kind_of
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.convert import Problem
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.digest import text_digest
from flowplan.values.value import is_known, path_text, resolve, reveal, seal, unknowns


async def create(run: Run, step: Step) -> Record:
    """Create a resource; its record is in the state when this returns."""
    change = run.changes[step.address]
    config = _settle(run, change)
    attributes, launch = _create_attributes(run, change, config)
    name = str(attributes["name"])
    entry = Entry(
        operation=Operation.CREATE,
        address=step.address,
        run=run.id,
        begun_at=run.clock.now(),
        name=name,
        region=str(attributes.get("region") or ""),
        seen=tuple(await _already_named(run, step.address.kind, name, config)),
        digest=_digest(attributes.get("startup_script")),
        config=seal(config, run.key),
        dependencies=change.dependencies,
        protected=change.protected,
        retained=change.retained,
        deposes=change.creates_first,
        triggers=run.triggers_of(change),
    )
    entry = await run.together.begin(entry)
    if launch is not None and ends_itself(config):
        entry = await _with_key(run, change, entry, attributes, launch)
    # Why once: a reservation is paid for and cannot be cancelled, so none is bought twice on the word of a list. What
    # is not found is left to the next run, which looks again before it plans (spec/provider.md, 3.4).
    tries = 1 if step.address.kind is Kind.RESERVATION else TRIES
    for attempt in range(1, tries + 1):
        run.writer.check()
        outcome = await run.provider.create(step.address.kind, attributes, f"{run.id}-{entry.number}")
        if isinstance(outcome, Ambiguous):
            outcome = await _resolve_create(run, entry, outcome.reason) or outcome
        elif attempt > 1:
            # Why: an earlier try may have arrived late after all: it made a second one, or is why this was refused.
            outcome = (
                await _resolve_create(run, entry, "an earlier request was not answered", outcome) or outcome
            )
        if isinstance(outcome, Ambiguous):
            if attempt < tries:
                continue
            raise OutcomeUnknown(unknown_outcome(entry, outcome.reason))
        if isinstance(outcome, Refused):
            await launching.retire(run, config, name, "")
            await run.together.commit(entry.number, Status.FAILED, None)
            raise Failed(_point(run, change, outcome.diagnostic), outcome.transient)
        assert outcome.observed is not None
        record = adopt(entry, outcome.observed, run.records.get(step.address))
        await run.together.commit(entry.number, Status.DONE, record)
        run.records[step.address] = record
        if launch is not None:
            launching.begin_upload(run, step.address, record.id, launch)
        return record
    raise AssertionError("every try returns, raises or tries again")


async def _with_key(
    run: Run, change: ResourceChange, entry: Entry, attributes: dict[str, Any], launch: Launch
) -> Entry:
    """Make the key that a task ends itself with, put it into the script, and begin anew with what is now sent.

    Why twice: no request may leave before its intent is on record, and what is recorded of the creation is the digest
    of a script that has the key in it.
    """
    try:
        attributes["startup_script"] = await launching.with_key(run, launch)
    except FlowplanError as error:
        await launching.retire(run, launch.config, entry.name, "")  # perhaps one was made, and no one said so
        await run.together.commit(entry.number, Status.FAILED, None)
        raise Failed(_point(run, change, error.diagnostics[0]), error.exit_code == 6) from None
    anew = evolve(entry, number=0, digest=_digest(attributes["startup_script"]))
    anew = await run.together.begin(anew)
    # Why only now: at no moment may the key be without an entry that has it revoked, should this run die.
    await run.together.commit(entry.number, Status.FAILED, None)
    return anew


async def _resolve_create(
    run: Run, entry: Entry, reason: str, answer: Done | Refused | None = None
) -> Done | None:
    """What there is of a creation one of whose requests was not answered; None where nothing is found.

    ``answer`` is what a later request was answered; an object it made is counted in, listed or not.
    """
    made = answer.observed if isinstance(answer, Done) else None
    try:
        found = await look(run, entry, 0.0 if made else run.patience.visibility_s)
    except StoreError:
        raise
    except FlowplanError as error:
        raise OutcomeUnknown(unknown_outcome(entry, reason, error)) from error
    if made is not None and made.id not in {one.id for one in found}:
        found.append(made)
    if not found:
        return None
    kept, said = await keep_one(run, entry, found)
    for diagnostic in said:
        run.emit(EventKind.NOTICE, diagnostic=diagnostic, address=entry.address)
    return Done(kept)


async def _already_named(run: Run, kind: Kind, name: str, config: Mapping[str, Any]) -> list[str]:
    """The ids that bear a name before we create another: none for one that has just been drawn."""
    if kind is Kind.TASK and config.get("unique_name"):
        return []
    if kind is Kind.TASK:
        return [o.id for o in await run.provider.find(Handle(kind, name))]
    # Why: adopting a stranger's volume is worse than one listing. These kinds can only be listed whole, so that is
    # asked for once in a run, not for each that is made.
    async with run.naming:
        if kind not in run.listed:
            everything = [(kind, "")]  # no object has this id, so the listing goes on to its end
            seen = await run.provider.observe(everything, [kind])
            names: dict[str, list[str]] = {}
            for one in seen.objects.values():
                if one.kind is kind:
                    names.setdefault(one.name, []).append(one.id)
            run.listed[kind] = names
    return [*run.names.get((kind, name), ()), *run.listed[kind].get(name, ())]


def _settle(run: Run, change: ResourceChange) -> dict[str, Any]:
    """The configuration with every unknown filled in, and checked again as a whole."""
    assert change.after is not None
    _require(run, change)
    config = dict(change.after)
    if is_known(config):
        return config
    config = resolve(config, run.lookup)
    if missing := list(unknowns(config)):
        waits = ", ".join(sorted({str(reference) for u in missing for reference in u.references}))
        raise Failed(
            Diagnostic.error(
                f"{change.address} needs a value that is still not known",
                f"It waits for {waits}.",
                address=change.address,
                suggestion="Depend on the resource with the condition running, or leave the value out.",
            )
        )
    default = str(config.get("name") or change.address.name)
    settled, problems = kind_of(change.kind).normalise(config, default)
    if problems:
        raise Failed(_problem(run, change, problems))
    return settled


def _require(run: Run, change: ResourceChange) -> None:
    """Ask again what the stack demands of a resource and could not be decided before."""
    resource = run.stack.resources.get(change.address)
    for requirement in resource.requirements if resource is not None else ():
        if (problem := requirement.check(run.lookup, last=True)) is not None:
            raise Failed(problem)


def _problem(run: Run, change: ResourceChange, problems: list[Problem]) -> Diagnostic:
    lines = [f"{path_text(problem.path)}: {problem.message}" for problem in problems]
    return _point(
        run,
        change,
        Diagnostic.error(
            f"{change.address} is not valid now that its values are known",
            "\n".join(lines),
            suggestion=problems[0].suggestion,
        ),
    )


def _point(run: Run, change: ResourceChange, diagnostic: Diagnostic) -> Diagnostic:
    resource = run.stack.resources.get(change.address)
    return evolve(
        diagnostic,
        address=change.address,
        span=diagnostic.span or (resource.span if resource else None),
        snippet=diagnostic.snippet or (resource.snippet if resource else ""),
    )


def _create_attributes(
    run: Run, change: ResourceChange, config: Mapping[str, Any]
) -> tuple[dict[str, Any], Launch | None]:
    kind = kind_of(change.kind)
    attributes = kind.targets(config, run.settings)
    for name in ("instance_type", "limit_price", "max_unit_price_usd"):
        if attributes.get(name) is None and change.targets.get(name) is not None:
            attributes[name] = change.targets[name]
    if change.kind is Kind.TASK:
        if config.get("unique_name"):
            attributes["name"] = f"{attributes['name']}-{run.new_suffix()}"
        launch, problems = launching.prepare(run, config, str(attributes["name"]))
        if launch is None:
            raise Failed(_problem(run, change, problems))
        attributes["startup_script"] = launch.script.text
        return attributes, launch
    return attributes, None


def _digest(script: Any) -> str:
    """What a list shows of the script that is sent; "" without one."""
    text = reveal(script)  # its digest is all that is kept
    return text_digest(text) if isinstance(text, str) else ""


async def update(run: Run, step: Step) -> Record:
    """Change a resource in place; what need not be sent is only recorded."""
    change = run.changes[step.address]
    config = _settle(run, change)
    old = run.records[step.address]
    wanted = kind_of(change.kind).targets(config, run.settings)
    sends = {
        name: wanted[name] if value is None or not is_known(value) else value
        for name, value in change.update.items()
    }
    if change.lets_go_first and is_as_asked(old, {"volume_ids": sends.get("volume_ids")}):
        del sends["volume_ids"]  # done by the step before; asked again, it would interrupt the task again
    record = evolve(
        old,
        config=seal(config, run.key),
        attributes={**old.attributes, **change.found},
        dependencies=change.dependencies,
        protected=change.protected,
        retained=change.retained,
        triggers=run.triggers_of(change),
        name=str(sends.get("name", old.name)),
    )
    if not sends:
        run.writer.save([record])
        run.records[step.address] = record
        return record
    entry = Entry(
        operation=Operation.UPDATE,
        address=step.address,
        run=run.id,
        begun_at=run.clock.now(),
        id=old.id,
        name=record.name,
        config=record.config,
        changes={
            "send": sends,
            "resume": await resumes(run, change, sends),
            "instances": await _given_back(run, old, sends),
        },
        dependencies=change.dependencies,
        protected=change.protected,
        retained=change.retained,
        triggers=record.triggers,
    )
    entry = await run.together.begin(entry)
    if (held := await already_so(run, entry, old, sends)) is not None:
        return await end_update(run, entry, record, held)
    return await finish_update(run, entry, record)


async def _given_back(run: Run, record: Record, sends: Mapping[str, Any]) -> list[str]:
    """The instances that a reservation gives back: the last ones, chosen once, so that a repetition means the same."""
    if "quantity" not in sends:
        return []
    seen = await run.provider.observe([(record.kind, record.id)], [record.kind])
    found = seen.find(record.kind, record.id)
    return sorted((found.attributes.get("instances") or ()) if found else ())[int(sends["quantity"]) :]


def take_in(run: Run, step: Step) -> Record:
    """Record an object that exists (``imports``); the provider is not asked for anything."""
    record = run.changes[step.address].record
    assert record is not None, "an import is planned with its record"
    run.writer.save([record])
    run.records[step.address] = record
    return record
