"""Changing things at the provider: the requests that create, update and delete, and what came of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flowplan.ports import Ambiguous, Done, Observed, Outcome, Refused
from flowplan.provider.failure import TRANSIENT
from flowplan.provider.http import Answer
from flowplan.provider.mithril.advice import in_use
from flowplan.provider.mithril.catalogue import Catalogue, UnmappableError
from flowplan.provider.mithril.codecs import Context, task_has_ended
from flowplan.provider.mithril.outcome import outcome_of
from flowplan.provider.mithril.wire import Bid, Reservation, Volume, structure
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Sensitive, leaves, reveal

if TYPE_CHECKING:
    from flowplan.provider.mithril.provider import Document, MithrilProvider

_PATHS = {Kind.TASK: "/v2/spot/bids", Kind.RESERVATION: "/v2/reservation", Kind.VOLUME: "/v2/volumes"}
_SHAPES: dict[Kind, type[Document]] = {Kind.TASK: Bid, Kind.RESERVATION: Reservation, Kind.VOLUME: Volume}
_NEEDED = {
    Kind.TASK: ("name", "instance_type", "region", "instance_quantity", "limit_price"),
    Kind.RESERVATION: ("name", "instance_type", "region", "instance_quantity", "start_time", "end_time"),
    Kind.VOLUME: ("name", "region", "size_gb", "disk_interface"),
}
_IN_PLACE = {
    Kind.TASK: {"limit_price": "limit_price", "volume_ids": "volumes", "paused": "paused"},
    Kind.RESERVATION: {"volume_ids": "volumes", "paused": "paused", "end_time_utc": "end_time"},
    Kind.VOLUME: {"name": "name"},
}
_KEY = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"


async def create(
    provider: MithrilProvider, kind: Kind, attributes: Mapping[str, Any], idempotency_key: str
) -> Outcome:
    """Send the create request, once; see `flowplan.ports.Provider`."""
    try:
        body, catalogue = await _create_body(provider, kind, attributes)
    except UnmappableError as error:
        return Refused(error.diagnostic)
    except FlowplanError as error:
        return _refused_early(error)
    return await _mutate(
        provider, kind, "create", "POST", _PATHS[kind], body, idempotency_key, _secrets(attributes), catalogue
    )


async def _create_body(
    provider: MithrilProvider, kind: Kind, attributes: Mapping[str, Any]
) -> tuple[dict[str, Any], Catalogue]:
    project = await provider.project()
    full = dict(attributes)
    if full.get("region") is None:
        full["region"] = provider.region
    mapping = provider.mapping(kind)
    if kind is Kind.VOLUME:
        catalogue = Catalogue()
        body = mapping.body(full, Context(catalogue, full["region"]))
    else:
        catalogue = await provider.known_catalogue()
        try:
            body = mapping.body(full, Context(catalogue, full["region"]))
        except UnmappableError:
            catalogue = await provider.load_catalogue()  # the market may have changed since
            body = mapping.body(full, Context(catalogue, full["region"]))
        launch = body.setdefault("launch_specification", {})
        launch.setdefault("volumes", [])
        launch["ssh_keys"] = await provider.launch_keys.of_launch(project, launch.get("ssh_keys", ()))
    missing = [mapping.attribute_for((name,)) or name for name in _NEEDED[kind] if name not in body]
    if missing:
        raise UnmappableError(
            Diagnostic.error(f"cannot create the {kind.value} without {', '.join(missing)}")
        )
    return {"project": project, **body}, catalogue


async def update(
    provider: MithrilProvider, kind: Kind, id: str, changes: Mapping[str, Any], idempotency_key: str
) -> Outcome:
    """Change attributes in place, in one request.

    A task takes ``limit_price``, ``volume_ids``, ``paused``; a volume ``name``; a reservation ``volume_ids``,
    ``paused``, or ``end_time_utc`` alone. Pausing before volumes change is the caller's business.
    """
    try:
        # Why: an empty change would be a request of which no one can say what it means (provider.md 7, 23).
        if not changes:
            raise UnmappableError(Diagnostic.error(f"nothing to change in the {kind.value}"))
        catalogue = Catalogue() if kind is Kind.VOLUME else await provider.known_catalogue()
        body = provider.mapping(kind).patch(changes, _IN_PLACE[kind], Context(catalogue, provider.region))
        extends = kind is Kind.RESERVATION and "end_time" in body
        if extends and len(body) > 1:
            raise UnmappableError(Diagnostic.error("a reservation is extended by a request of its own"))
    except UnmappableError as error:
        return Refused(error.diagnostic)
    except FlowplanError as error:
        return _refused_early(error)
    path = f"{_PATHS[kind]}/{quote(id, safe='')}"
    method, path = ("POST", f"{path}/extend") if extends else ("PATCH", path)
    return await _mutate(
        provider, kind, "update", method, path, body, idempotency_key, _secrets(changes), catalogue
    )


async def delete(provider: MithrilProvider, kind: Kind, id: str, idempotency_key: str) -> Outcome:
    """Delete a volume or terminate a task; a reservation cannot be cancelled by the API (provider.md 2.3)."""
    if kind is Kind.RESERVATION:
        return Refused(
            Diagnostic.error(
                f"reservation {id} cannot be cancelled: the API has no request for it",
                "It was paid when it was made and lasts until its end time.",
                suggestion="Take it out of the stack's state and let it run out, or ask the provider for a refund.",
            )
        )
    path = f"{_PATHS[kind]}/{quote(id, safe='')}"
    got = await provider.client.write("DELETE", path, None, header_of(idempotency_key))
    secrets = provider.client.secrets()
    if isinstance(got, Answer) and got.status in (400, 409):
        if kind is Kind.VOLUME:
            return in_use(kind, got, secrets)
        try:
            bid = await provider.api.bid(id)
        except FlowplanError as error:
            return Ambiguous(f"status {got.status}, and looking at the task failed: {error}")
        if bid is None or task_has_ended(bid.status):
            return Done(None)
    return outcome_of(got, kind, "delete", provider.client.base_url, read=None, secrets=secrets)


async def _mutate(
    provider: MithrilProvider,
    kind: Kind,
    doing: str,
    method: str,
    path: str,
    body: dict[str, Any],
    key: str,
    secrets: Sequence[str],
    catalogue: Catalogue,
) -> Outcome:
    got = await provider.client.write(method, path, body, header_of(key))

    def read(answer: Answer) -> Observed:
        document = structure(_SHAPES[kind], answer.document())
        return provider.observed(kind, document, catalogue)

    outcome = outcome_of(
        got,
        kind,
        doing,
        provider.client.base_url,
        read=read,
        secrets=provider.client.secrets(*secrets, *provider.task_keys),
        attribute_for=provider.mapping(kind).attribute_for,
    )
    if isinstance(outcome, Refused):
        provider.launch_keys.forget()  # a key may have been added or removed since
    return outcome


def header_of(key: str) -> str:
    """``key`` as the header may hold it; one that may not stand there is replaced by its digest."""
    return key if not key or re.fullmatch(_KEY, key) else hashlib.sha256(key.encode()).hexdigest()


def _secrets(attributes: Mapping[str, Any]) -> list[str]:
    """The texts among ``attributes`` that no message may quote: the sensitive ones, and the script."""
    found = []
    for path, leaf in leaves(dict(attributes)):
        if isinstance(leaf, Sensitive) or path[:1] == ("startup_script",):
            bare = [leaf_ for _, leaf_ in leaves(reveal(leaf))]  # to black them out
            found += [text for text in bare if isinstance(text, str)]
    return found


def _refused_early(error: FlowplanError) -> Refused:
    return Refused(error.diagnostics[0], transient=error.exit_code == TRANSIENT)
