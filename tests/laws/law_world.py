"""A world whose faults happen on the wire and in the store's transactions, with the promises watched while it runs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from random import Random
from typing import Any

from attrs import define, evolve, field
from fault_world import Knife, World
from faulty_line import KEYS, LISTS, FaultyLine, Past, Sent
from faulty_store import CutBackend

from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.sandbox import Sandbox
from flowplan.state.journal import Entry, Operation
from flowplan.state.rows import entry_of

AIDS = ("/v2/api-keys", "/v2/lifecycle-scripts")
"""What a task is given to end itself with; it goes with the task."""


class Broken(AssertionError):
    """A promise was broken while the run went on. Kept, too, for what is raised within may be swallowed."""


@define(eq=False)
class LawWorld(World):
    """A `World` with a faulty line, a store that can be cut and watchers. ``lag_s``: how far lists are behind."""

    lag_s: float = 0.0
    seed: int = 0
    past: Past = field(factory=Past)
    knife: Knife = field(factory=Knife)
    line: FaultyLine | None = None
    token: int = 0
    unknown: dict[str, str] = field(factory=dict)
    """What was sent and not answered, until it was looked for: by what the request was about."""
    broken: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.past.lag_s = self.lag_s

    def fresh(self, home: Any, seed: int) -> LawWorld:
        """The same world in another folder, with faults of its own."""
        made = self.copy(home)
        assert isinstance(made, LawWorld)
        return evolve(made, seed=seed, past=Past(self.lag_s), knife=Knife(), line=None, unknown={}, broken=[])

    def backend(self) -> CutBackend:
        return CutBackend(self.home / "state", self.now)

    def transport(self, sandbox: Sandbox) -> Any:
        self.unknown.clear()
        chance = Random(f"{self.seed}:{self.elapsed}")
        self.line = FaultyLine(sandbox, self.knife, self.past, chance, self.sending, self.looked)
        return self.line

    def cutting(self, provider: MithrilProvider, backend: Any, lease: Any, knife: Knife) -> tuple[Any, Any]:
        backend.cut_with(knife)
        self.token = lease.token
        knife.late = self.line.arriving if self.line is not None else []
        return provider, lease

    def apply(self, *given: Any, knife: Knife | None = None, **more: Any) -> Any:
        self.knife = knife or Knife()
        try:
            return super().apply(*given, knife=self.knife, **more)
        finally:
            self.knife = Knife()
            if self.broken:
                raise Broken("; ".join(self.broken))

    def picture(self) -> dict[str, Any]:
        """As `World.picture`; of what is over only how it ended, for the list that told may have lagged.

        Of what lives, not whether its command has ended: every one has here, and a wait asks, or a list says enough.
        """
        picture = super().picture()
        living = {owner.strip("<>") for owner, _, _ in picture["live"]}
        for address, record in picture["records"].items():
            if address not in living:
                record["attributes"] = {"completion": record["attributes"]["completion"]}
            else:
                record["attributes"].pop("completion", None)
        return {**picture, "keys without a task": self.forgotten_keys(picture)}

    def forgotten_keys(self, picture: dict[str, Any]) -> list[str]:
        """Keys that were made for a task and outlived it."""
        with closing(self.sandbox()) as sandbox:
            headers = {"authorization": f"Bearer {sandbox.api_key}"}
            _, _, content = sandbox.handle("GET", "/v2/api-keys", "", headers, b"")
        made = [key["name"] for key in json.loads(content) if key["deactivated_at"] is None]
        names = {f"flow-task-{record.name}" for record in self.snapshot().records.values()}
        return sorted(name for name in made if name.startswith("flow-task-") and name not in names)

    # -- the promises

    def open_entries(self) -> list[tuple[int, Entry]]:
        """The journal's open entries with the token of the run that began each; as another process reads them."""
        with closing(sqlite3.connect(self.home / "state" / "flowplan.db")) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute("SELECT * FROM operations WHERE status = 'begun' ORDER BY number").fetchall()
        return [(row["token"], entry_of(row)) for row in rows]

    def sending(self, sent: Sent) -> None:
        """A mutating request is about to leave: is its intent on disk, and was all that came before it settled?"""
        is_aid = sent.path.startswith(AIDS)
        if is_aid and sent.method == "DELETE":
            return  # taking away what only served a task does no harm at any time
        entries = self.open_entries()
        mine = [(token, entry) for token, entry in entries if _is_about(entry, sent)]
        if not mine:
            self.broken.append(f"{sent} was sent with no intent on disk")
        strangers = [entry for token, entry in entries if token != self.token]
        if strangers and not any(token != self.token for token, _ in mine):
            self.broken.append(
                f"{sent} was sent while the {strangers[0].operation.value} of {strangers[0].address} "
                "of an earlier run was not settled"
            )
        if sent.method != "DELETE" and sent.target in self.unknown:
            self.broken.append(f"{sent} was sent again without a look: {self.unknown[sent.target]}")

    def looked(self, what: str, is_look: bool) -> None:
        """A list or an object was read, or a request was not answered."""
        if not is_look:
            self.unknown[what] = "its outcome was unknown"
        elif what in LISTS:
            kind = LISTS[what]
            prefix = {"bid": "bid_", "reservation": "res_", "volume": "vol_"}[kind]
            about = (f"{kind} ", prefix, *(["inst_"] if kind == "reservation" else []))
            for target in [t for t in self.unknown if t.startswith(about)]:
                del self.unknown[target]
        elif what == KEYS:
            for target in [t for t in self.unknown if t.startswith("key ")]:
                del self.unknown[target]
        else:
            self.unknown.pop(what.rpartition("/")[2], None)


def _is_about(entry: Entry, sent: Sent) -> bool:
    if sent.path.startswith(AIDS):
        return entry.operation is Operation.CREATE
    if entry.operation is Operation.CREATE:
        return sent.target.partition(" ")[2] == entry.name or sent.method == "DELETE"
    return sent.target == entry.id or sent.path == "/v2/instances"
