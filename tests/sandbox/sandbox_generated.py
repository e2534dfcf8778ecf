"""Requests that schemathesis generates from the OpenAPI document, sent to a served sandbox and judged."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from sandbox_contract import Caller, document
from sandbox_drafts import Drafts


def ask_generated(caller: Caller, drafts: Drafts, mode: str, examples: int, seed: int | None = None) -> None:
    """Send so many requests to every operation: ``positive`` ones as the document wants them, ``negative`` ones not.

    Where two generated values meet nothing known, an answer is a 404; so known ids are put in here and there.
    """
    import schemathesis
    from schemathesis.generation import GenerationMode

    project = drafts.pool["proj"][0]
    turn = count()

    def send(label: str, case: Any) -> None:
        query = dict(case.query or {})
        path = case.formatted_path
        if next(turn) % 2 and isinstance(query.get("project"), str):
            query["project"] = project
        body = case.body if not type(case.body).__name__.startswith("NotSet") else None
        if next(turn) % 2 and isinstance(body, dict) and "project" in body:
            body = {**body, "project": project}
        if isinstance(body, bytes | str):
            raw = body.encode("utf-8", "replace") if isinstance(body, str) else body
            caller.call(case.method.upper(), path, query, raw=raw, label=label)
        else:
            caller.call(case.method.upper(), path, query, body, label=label)

    for found in schemathesis.openapi.from_dict(document()).get_all_operations():
        operation = found.ok()
        strategy = operation.as_strategy(generation_mode=GenerationMode(mode))

        @settings(
            max_examples=examples,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
            deadline=None,
        )
        @given(strategy)
        def ask(label: str, case: Any) -> None:
            send(label, case)

        if seed is not None:
            ask = seeded(seed)(ask)
        ask(operation.label)
