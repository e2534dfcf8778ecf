"""From a refusal of the API to a diagnostic with advice (provider.md 3.2): the status first, words only as a hint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowplan.ports import Refused
from flowplan.provider.failure import Failure
from flowplan.provider.http import Answer
from flowplan.provider.redaction import server_words, validation_errors
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic

_HINTS: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (
        lambda t: "price below minimum" in t or ("price" in t and "minimum" in t),
        "the limit price is below the minimum of this instance type",
        "Raise max_price_per_hour; it is in dollars per instance-hour, not per GPU.",
    ),
    (
        lambda t: "name already" in t or "duplicate name" in t or ("name" in t and "exists" in t),
        "the name is taken",
        "Choose another name, or set unique_name so that each creation gets a suffix of its own.",
    ),
    (
        lambda t: "no ssh keys" in t or ("ssh" in t and "key" in t and "required" in t),
        "the project wants an SSH key that is not among ssh_keys",
        "Add a key to the project in the provider's console, or name an existing one under ssh_keys.",
    ),
    (
        lambda t: "quota" in t,
        "the quota of the project does not allow it",
        "Ask the provider for more quota, or use fewer instances or less storage.",
    ),
    (
        lambda t: "payment" in t or "billing" in t,
        "the account has no working payment method",
        "Add one in the provider's console.",
    ),
    (
        lambda t: "insufficient capacity" in t,
        "there is not enough capacity",
        "Try another region, time or instance type.",
    ),
    (
        lambda t: "invalid name" in t,
        "the name is not one the provider accepts",
        "Use lower-case letters, digits and hyphens, and begin with a letter.",
    ),
)

_BY_STATUS = {
    401: ("the API key was refused", "Set MITHRIL_API_KEY to a key that is valid there."),
    402: ("the account has no working payment method", "Add one in the provider's console."),
    403: (
        "the provider does not permit it",
        "Is the key's user a member of the project, and the instance type or region enabled for it?",
    ),
    404: (
        "something the request names does not exist",
        "Check the ids of volumes and SSH keys, and the region.",
    ),
    409: ("it conflicts with what exists", ""),
    422: ("the provider does not accept the values", ""),
    429: ("there were too many requests", "Try again in a minute."),
}
_TRANSIENT = frozenset({408, 425, 429})


def refusal(
    kind: Kind,
    doing: str,
    answer: Answer,
    secrets: Sequence[str] = (),
    attribute_for: Callable[[tuple[str, ...]], str] = lambda location: "",
) -> Refused:
    """What a 4xx (or permanent 3xx) answer to a mutating request comes to.

    ``doing`` is create, update or delete. ``gone`` is set only for a 404 that the API itself wrote (JSON):
    one from a gateway says nothing about the object.
    """
    status = answer.status
    words = server_words(answer.body, answer.is_json, secrets)
    lower = words.lower()
    summary, advice = _BY_STATUS.get(status, (f"the provider answered with status {status}", ""))
    gone = status == 404 and answer.is_json and doing != "create"
    problems = validation_errors(answer.body, secrets) if status == 422 else []
    if gone:
        summary, advice = f"the {kind.value} does not exist any more", "Plan again to see what is there now."
    elif 300 <= status < 400:
        summary, advice = "the server points elsewhere, and redirects are not followed", "Check api_url."
    elif status not in (401, 402, 404, 429) and (status != 422 or not problems):
        for applies, hint_summary, hint_advice in _HINTS:
            if applies(lower):
                summary, advice = hint_summary, hint_advice
                break
    if status == 409 and kind is Kind.VOLUME and doing == "create":
        summary = "the name is taken: volume names are unique in a project"
        advice = "Choose another name, or import the volume that has it."
    if problems:
        shown = [f"{_field(location, attribute_for)}: {message}" for location, message in problems]
        words = "; ".join(shown)
        advice = (
            advice
            or f"Change {', '.join(dict.fromkeys(_field(where, attribute_for) for where, _ in problems))}."
        )
    detail = f'The server says: "{words}".' if words else ""
    return Refused(
        Diagnostic.error(
            f"cannot {doing} the {kind.value}: {summary}", detail + answer.trace, suggestion=advice
        ),
        transient=status in _TRANSIENT,
        gone=gone,
        status=status,
    )


def in_use(kind: Kind, answer: Answer, secrets: Sequence[str] = ()) -> Refused:
    """A 400 or 409 answer to the deletion of a volume: it is still attached, which passes (provider.md 7, 4)."""
    words = server_words(answer.body, answer.is_json, secrets)
    return Refused(
        Diagnostic.error(
            f"cannot delete the {kind.value}: it is still in use",
            f'The server says: "{words}".' if words else "",
            suggestion="End the task or reservation that holds it, or take it out of its volumes, then apply again.",
        ),
        transient=True,
        status=answer.status,
    )


def not_sent(kind: Kind, doing: str, failure: Failure, url: str) -> Refused:
    """A mutating request that never left this machine: certainly not done."""
    return Refused(
        Diagnostic.error(
            f"cannot {doing} the {kind.value}: {url} cannot be reached: {failure.reason}",
            suggestion="Nothing was sent. Check the network and MITHRIL_API_URL, then apply again.",
        ),
        transient=True,
    )


def _field(location: tuple[str, ...], attribute_for: Callable[[tuple[str, ...]], str]) -> str:
    return attribute_for(location) or ".".join(location) or "the request"
