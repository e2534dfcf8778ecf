"""From what came of a mutating request to an `Outcome`: done, refused, or honestly unknown (apply-protocol.md).

The rule (provider.md 3.3): a 4xx did not happen; a well-formed 2xx did; everything else is unknown and is
resolved by looking, never by sending again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowplan.ports import Ambiguous, Done, Observed, Outcome, Refused
from flowplan.provider.failure import Failure
from flowplan.provider.http import Answer
from flowplan.provider.mithril.advice import not_sent, refusal
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic

_MEANT_ELSEWHERE = frozenset({301, 307, 308})
"""Redirects that ask for the same request elsewhere: it was not executed. A 302 or 303 may follow an execution."""


def outcome_of(
    got: Answer | Failure,
    kind: Kind,
    doing: str,
    url: str,
    *,
    read: Callable[[Answer], Observed] | None,
    secrets: Sequence[str] = (),
    attribute_for: Callable[[tuple[str, ...]], str] = lambda location: "",
) -> Outcome:
    """The outcome of a request; ``read`` makes the object of a 2xx answer (raising `ValueError`).

    Without ``read`` (a deletion) a 2xx needs no body, but a page of HTML is not taken for an answer of the API,
    neither is a 404 in HTML taken for the object's absence.
    """
    if isinstance(got, Failure):
        return not_sent(kind, doing, got, url) if got.never_sent else Ambiguous(got.reason)
    status = got.status
    if 200 <= status < 300:
        return _accepted(got, kind, doing, read)
    if doing == "delete" and status == 404:
        return Done(None) if got.is_json else Ambiguous(f"a 404 that the API did not write{got.trace}")
    if 400 <= status < 500 or status in _MEANT_ELSEWHERE:
        return refusal(kind, doing, got, secrets, attribute_for)
    return Ambiguous(f"the server answered with status {status}{got.trace}")


def _accepted(got: Answer, kind: Kind, doing: str, read: Callable[[Answer], Observed] | None) -> Outcome:
    if got.status == 202 and got.is_json and b'"held"' in got.body:
        return Refused(
            Diagnostic.error(
                f"cannot {doing} the {kind.value}: the request is held for approval by someone else",
                suggestion="Nothing was done yet. Have it approved, then plan again.",
            ),
            status=202,
        )
    if read is None:
        if got.status == 204 or not got.body.strip() or got.is_json:
            return Done(None)
        return Ambiguous(
            f"status {got.status} with {got.content_type or 'an unknown body'} instead of an API answer"
        )
    try:
        return Done(read(got))
    except ValueError as error:
        return Ambiguous(f"status {got.status} whose body cannot be read: {error}{got.trace}")
