"""Saved plans: one self-contained, versioned, digest-sealed file.

Planning is a function, so a plan file holds its inputs beside its result: the stack's text, the values of its
variables (secrets as fingerprints only), digests of the other files it reads, what was observed, and the state's
lineage and serial with a digest of each record. To apply it, the plan is worked out again from these inputs and must
come out the same, byte for byte.

A secret's fingerprint is keyed with the key of the stack's state, which no plan file holds. A stack that was never
applied has none: then the fingerprint is salted and made by a slow function, so that values cannot be tried out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field

from flowplan.lang.stack import Source, Stack
from flowplan.plan.change import Mode, PlanOptions
from flowplan.plan.observation import HistoryEvent, Observation, Observed, Offer, Quota, Quote
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode
from flowplan.values.quantity import format_instant, parse_instant
from flowplan.values.value import Fingerprint, Sensitive, dump, fingerprint, load

FORMAT = 2
LIMIT_BYTES = 256 * 1024 * 1024
"""A larger file is no plan of ours."""
_ROUNDS = 200_000
"""Rounds of PBKDF2 for the fingerprint of a secret that has no key: about a tenth of a second."""


@frozen
class PlanFile:
    """What a saved plan holds. ``path`` is the stack's, relative to the project root."""

    path: str
    mode: Mode
    region: str
    refreshed: bool
    lineage: str
    serial: int
    sources: tuple[Source, ...]
    variables: Mapping[str, Any]
    observation: Observation | None
    document: Mapping[str, Any]
    asked: Mapping[str, tuple[str, ...]] = field(factory=dict)
    lookups: Mapping[str, Any] = field(factory=dict)
    """What came of the stack's lookups, so that none is carried out again."""
    files: Mapping[str, str] = field(factory=dict)
    """Digests of what the stack reads besides its own text, by path relative to the stack's folder."""
    records: Mapping[str, str] = field(factory=dict)
    """Digests of the records of the state that the plan starts from, by address."""
    salt: bytes = b""
    """What fingerprints and digests of files are keyed with where the stack has no key yet."""

    @property
    def digest(self) -> str:
        """The digest of the plan, as ``flowplan plan`` prints it."""
        found = self.document.get("digest")
        return found if isinstance(found, str) else ""

    @property
    def options(self) -> PlanOptions:
        """The options that the plan was made with."""
        return PlanOptions(self.mode, self.region, **self.asked)


_ASKED = ("targets", "excludes", "replace", "allow_data_loss", "allow_commitment_loss")


def asked_of(options: PlanOptions) -> dict[str, tuple[str, ...]]:
    """The patterns among the options, as a plan file holds them."""
    return {name: getattr(options, name) for name in _ASKED if getattr(options, name)}


def seal_variables(stack: Stack, snapshot: Snapshot, salt: bytes) -> dict[str, Any]:
    """Values of variables as a plan file may hold them; those from defaults are left to the stack's text."""
    sealed = {}
    for name, variable in stack.variables.items():
        if variable.source == "default":
            continue
        value = variable.value
        hidden = isinstance(value, Sensitive) or variable.sensitive
        sealed[name] = _secret_print(value, snapshot.key, salt) if hidden else value
    return sealed


def _secret_print(value: Any, key: bytes, salt: bytes) -> Fingerprint:
    """The fingerprint of a secret: with ``key``, or without one, salted and slow."""
    if key:
        return fingerprint(value, key)
    quick = fingerprint(value, salt).digest.encode()
    return Fingerprint(hashlib.pbkdf2_hmac("sha256", quick, salt, _ROUNDS).hex())


def file_digest(text: str, key: bytes) -> str:
    """The keyed digest of a file that the stack reads; it may hold a secret, so it tells nothing without the key."""
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def dump_planfile(plan: PlanFile) -> str:
    """The text of a plan file."""
    body = {
        "flowplan_plan": FORMAT,
        "path": plan.path,
        "mode": plan.mode.value,
        "region": plan.region,
        "asked": {name: list(patterns) for name, patterns in plan.asked.items()},
        "refreshed": plan.refreshed,
        "state": {"lineage": plan.lineage, "serial": plan.serial, "records": dict(plan.records)},
        "salt": plan.salt.hex(),
        "files": dict(plan.files),
        "sources": {source.path: source.text for source in plan.sources},
        "variables": dump(dict(plan.variables)),
        "lookups": dump({key: dict(found) for key, found in plan.lookups.items()}),
        "observation": _observation(plan.observation),
        "plan": plan.document,
    }
    return _text({**body, "seal": seal_of(body)})


def seal_of(body: Mapping[str, Any]) -> str:
    """What seals a plan file: SHA-256 of its canonical JSON."""
    return "sha256:" + hashlib.sha256(_text(body).encode()).hexdigest()


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _observation(observation: Observation | None) -> Any:
    if observation is None:
        return None
    return {
        "project": observation.project,
        "at": format_instant(observation.at) if observation.at else None,
        "kinds": sorted(kind.value for kind in observation.kinds),
        "objects": [
            {
                "kind": o.kind.value,
                "id": o.id,
                "name": o.name,
                "exists": o.exists,
                "attributes": dump(dict(o.attributes)),
                "created_at": format_instant(o.created_at) if o.created_at else None,
            }
            for o in observation.objects.values()
        ],
        "offers": [
            [o.instance_type, o.region, o.type_id, o.available, o.price_cents, o.gpus, o.gpu_memory_gb]
            for o in observation.offers
        ],
        "quotas": [
            [q.name, q.product, q.total, q.used, q.units, q.instance_type] for q in observation.quotas
        ],
        "quotes": {key: [quote.total_usd, quote.unit_usd] for key, quote in observation.quotes.items()},
        "completions": {id: dict(record) for id, record in observation.completions.items()},
        "events": {
            id: [[event.at, event.what, event.by] for event in events]
            for id, events in observation.events.items()
        },
    }


def load_planfile(name: str, text: str) -> PlanFile:
    """The plan that a file's text holds; ``name`` is the file's, for messages.

    Raises:
        FlowplanError: it is no plan file, of a version that is not known, or was changed after it was sealed.
    """
    try:
        body = json.loads(text)
        if not isinstance(body, dict) or "flowplan_plan" not in body:
            raise ValueError("it holds no flowplan plan")
    except (ValueError, RecursionError) as error:
        raise _bad(name, f"It cannot be read as a plan: {error}.") from None
    if body["flowplan_plan"] != FORMAT:
        raise _bad(
            name,
            f"It has format {str(body['flowplan_plan'])[:20]}; this version of flowplan knows format {FORMAT}.",
        )
    seal = body.pop("seal", None)
    # Why the whole text: 2.0 may also be written 2e0; a plan is as it was written or it is refused.
    if seal != seal_of(body) or _text({**body, "seal": seal}) != text.rstrip("\n"):
        raise _bad(name, "Its content does not match its seal: it was changed or cut after it was written.")
    try:
        return PlanFile(
            path=body["path"],
            mode=Mode(body["mode"]),
            region=body["region"],
            refreshed=body["refreshed"],
            lineage=body["state"]["lineage"],
            serial=body["state"]["serial"],
            sources=tuple(Source(path, source) for path, source in body["sources"].items()),
            variables=load(body["variables"]),
            lookups=load(body.get("lookups", {})),
            observation=_load_observation(body["observation"]),
            document=body["plan"],
            files=body["files"],
            records=body["state"]["records"],
            salt=bytes.fromhex(body["salt"]),
            asked={
                name: tuple(patterns) for name, patterns in body.get("asked", {}).items() if name in _ASKED
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(name, f"It lacks something that a plan holds ({error}).") from None


def _load_observation(body: Any) -> Observation | None:
    if body is None:
        return None
    objects = {}
    for o in body["objects"]:
        kind = Kind(o["kind"])
        created = parse_instant(o["created_at"]) if o["created_at"] else None
        objects[kind, o["id"]] = Observed(
            kind, o["id"], o["name"], o["exists"], load(o["attributes"]), created
        )
    return Observation(
        project=body["project"],
        objects=objects,
        offers=tuple(Offer(*offer) for offer in body["offers"]),
        kinds=frozenset(Kind(kind) for kind in body["kinds"]),
        completions=body["completions"],
        events={id: tuple(HistoryEvent(*e) for e in events) for id, events in body.get("events", {}).items()},
        at=parse_instant(body["at"]) if body["at"] else None,
        quotas=tuple(Quota(*quota) for quota in body["quotas"]),
        quotes={key: Quote(*quote) for key, quote in body["quotes"].items()},
    )


def _bad(name: str, detail: str) -> FlowplanError:
    return FlowplanError(
        Diagnostic.error(
            f"{name} is not a usable plan file",
            detail,
            suggestion="Make a new one with flowplan plan --out FILE.",
        )
    )


STALE = ExitCode.STALE
"""The exit code of a plan that no longer fits, or is not the one that was approved (docs/exit-codes.md)."""


def stale(detail: str) -> FlowplanError:
    """The refusal of a plan that no longer fits."""
    return FlowplanError(
        Diagnostic.error("Saved plan is stale", detail, suggestion="Make a new plan and apply that."),
        exit_code=STALE,
    )


def not_approved(approved: str, now: str) -> FlowplanError:
    """The refusal of a plan that is another than the one a reviewer saw."""
    return FlowplanError(
        Diagnostic.error(
            "This is not the plan that was approved",
            f"Approved was {approved}, and the plan is {now}. Nothing was changed.",
            suggestion="Have the plan looked at again, and approve its digest.",
        ),
        exit_code=STALE,
    )


def check_secrets(plan: PlanFile, stack: Stack, key: bytes) -> list[str]:
    """The names of sensitive variables whose values now are not the ones the plan was made with."""
    wrong = []
    for name, value in plan.variables.items():
        if isinstance(value, Fingerprint):
            variable = stack.variables.get(name)
            if variable is None or _secret_print(variable.value, key, plan.salt) != value:
                wrong.append(name)
    return wrong


def observed_for_plan(
    observation: Observation | None, snapshot: Snapshot, stack: Stack | None = None
) -> Observation | None:
    """The part of an observation that planning reads: recorded objects, what is imported, live names, the market."""
    if observation is None:
        return None
    ids = set(snapshot.ids())
    imports = stack.imports if stack is not None else ()
    ids |= {(entry.to.kind, entry.id) for entry in imports if entry.id}
    named = {(entry.to.kind, entry.name) for entry in imports if entry.name}
    kept = {
        key: observed
        for key, observed in observation.objects.items()
        if key in ids
        or (observed.exists and (observed.kind is Kind.VOLUME or (observed.kind, observed.name) in named))
    }
    return evolve(observation, objects=kept)
