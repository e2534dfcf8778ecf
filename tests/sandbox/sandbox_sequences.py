"""Sequences of requests to a sandbox, each made from the answers before it."""

from __future__ import annotations

from random import Random
from typing import Any

from sandbox_contract import Caller, operations
from sandbox_drafts import Drafts

# What must be seen at once after it was made, and be gone from sight (or marked) once deleted.
LISTS = {
    "POST /v2/api-keys": ("/v2/api-keys", ""),
    "POST /v2/ssh-keys": ("/v2/ssh-keys", ""),
    "POST /v2/spot/bids": ("/v2/spot/bids", "data"),
    "POST /v2/lifecycle-scripts": ("/v2/lifecycle-scripts", "data"),
    "POST /v2/reservation": ("/v2/reservation", "data"),
    "POST /v2/volumes": ("/v2/volumes", ""),
    "POST /v2/kubernetes/clusters": ("/v2/kubernetes/clusters", ""),
}
HIDDEN_ONCE_DELETED = ("/v2/ssh-keys", "/v2/lifecycle-scripts", "/v2/volumes")


def start(caller: Caller, clock: Any) -> Drafts:
    """Look around: what every client knows first."""
    rows = caller.call("GET", "/v2/spot/availability")[1]
    rows.sort(key=lambda row: row["region"] != "us-central1-b")
    drafts = Drafts([(row["instance_type"], row["region"]) for row in rows], clock)
    projects = caller.call("GET", "/v2/projects")[1]
    drafts.learn(projects)
    drafts.learn(caller.call("GET", "/v2/image-versions")[1])
    drafts.learn(caller.call("GET", "/v2/ssh-keys", {"project": projects[0]["fid"]})[1])
    return drafts


class Sequences:
    """Requests that follow from each other, drawn from a seed, with time passing between them."""

    def __init__(self, caller: Caller, clock: Any, seed: int) -> None:
        self.caller, self.clock, self.random = caller, clock, Random(seed)
        self.drafts = start(caller, clock)

    def step(self) -> None:
        what = self.random.random()
        if what < 0.1:
            self.clock.advance(self.random.choice([1, 1, 10, 60, 400, 3600, 5 * 3600]))
        elif what < 0.35:
            self._send(self.random.choice(sorted(LISTS)), tame=True)
        else:
            self._send(self.random.choice(sorted(operations())), tame=False)

    def _send(self, label: str, tame: bool) -> None:
        path, query, body = self.drafts.draw(label, self.random, tame)
        method = label.split()[0]
        status, answer = self.caller.call(method, path, query, body, label=label)
        if status < 300:
            self.drafts.learn(answer)
        if status == 201 and label in LISTS:
            self._is_listed(*LISTS[label], answer)
        if status == 204:
            self._is_gone(path)

    def _is_listed(self, path: str, field: str, made: Any) -> None:
        status, answer = self.caller.call("GET", path, {"project": made.get("project")})
        assert status == 200
        rows = answer[field] if field else answer
        found = next(row for row in rows if row["fid"] == made["fid"])
        assert found == {name: made[name] for name in found}

    def _is_gone(self, path: str) -> None:
        place, _, fid = path.rpartition("/")
        if place in HIDDEN_ONCE_DELETED:
            for project in self.drafts.pool["proj"]:
                rows = self.caller.call("GET", place, {"project": project, "limit": 100})[1]
                assert fid not in {row["fid"] for row in (rows if isinstance(rows, list) else rows["data"])}
        # Nothing can be deleted twice with success.
        assert self.caller.call("DELETE", path)[0] in (400, 404, 409)
