"""The versions of the stored form, and the pure functions that turn each into the next.

A store hands over all its tables as rows, and gets them as the present version has them. So an old state that is only
read is read by the very functions that upgrade it, and `tests/corpus` keeps states of every version with what they say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowplan.state.rows import OUTPUTS
from flowplan.state.sums import checksum, row_sum, total

FORMAT = 3
"""The version of the stored form. A newer one is refused, an older one is upgraded.

1: the first. 2: what is on record of a resource's lifecycle. 3: every serial is kept, and everything has a checksum.
"""

Row = dict[str, Any]
Tables = Mapping[str, list[Row]]
"""The rows of each table, by its name."""


def upgraded(tables: Tables, version: int) -> Tables:
    """The tables of a store of an older ``version``, as the present one has them.

    Raises:
        ValueError, KeyError, TypeError: they hold what flowplan did not write.
    """
    for number in range(version, FORMAT):
        tables = UPGRADES[number](tables)
    return tables


def stack_sum(row: Mapping[str, Any]) -> int:
    """The sum of a stack's own row: whose it is, where it stands, and what its resources and open entries come to."""
    return checksum(
        row["name"], row["lineage"], row["serial"], bytes(row["key"]).hex(), row["project"], row["source"],
        row["token"], row["resources"], row["total"], row["open"],
    )  # fmt: skip


def serial_sum(row: Mapping[str, Any], before: int, changes: int) -> int:
    """The sum of one serial: of the one ``before`` it, of itself, and the total of its ``changes``."""
    return checksum(
        before, row["stack"], row["lineage"], row["serial"], row["at"], row["operation"], row["version"],
        row["project"], row["resources"], row["total"], changes,
    )  # fmt: skip


def entry_sum(row: Mapping[str, Any]) -> int:
    """The sum of a journal entry, over what never changes of it."""
    return checksum(row["run"], row["operation"], row["address"], row["begun_at"], row["body"])


def _with_lifecycle(tables: Tables) -> Tables:
    """1 to 2: nothing was on record of a resource's lifecycle."""
    return {**tables, "resources": [{**row, "lifecycle": "{}"} for row in tables["resources"]]}


def _with_history(tables: Tables) -> Tables:
    """2 to 3: one body per resource, a checksum on everything, and a history that begins with what there is."""
    operations = [{**row, "sum": entry_sum(row)} for row in tables["operations"]]
    rows = [_joined(row) for row in tables["resources"]]
    outputs = [_outputs(row) for row in tables["stacks"] if row["outputs"] != "{}"]
    of_stack: dict[str, list[Row]] = {row["name"]: [] for row in tables["stacks"]}
    for row in [*outputs, *rows]:
        of_stack[row["stack"]].append(row)
    stacks, serials, changes = [], [], []
    for old in tables["stacks"]:
        mine = of_stack[old["name"]]
        stack = {
            **{
                name: old[name] for name in ("name", "lineage", "serial", "key", "project", "source", "token")
            },
            "resources": sum(row["address"] != OUTPUTS for row in mine),
            "total": total(row["sum"] for row in mine),
            "open": total(
                row["sum"] for row in operations if (row["stack"], row["status"]) == (old["name"], "begun")
            ),
        }
        stacks.append({**stack, "sum": stack_sum(stack)})
        if old["serial"]:
            made = [{**row, "serial": old["serial"], "action": "add"} for row in mine]
            serial = {
                "stack": old["name"],
                "lineage": old["lineage"],
                "serial": old["serial"],
                "at": "",
                "operation": "upgrade",
                "version": "",
                "project": old["project"],
                "resources": stack["resources"],
                "total": stack["total"],
            }
            serials.append({**serial, "sum": serial_sum(serial, 0, stack["total"])})
            changes += made
    return {
        "stacks": stacks,
        "resources": rows,
        "outputs": outputs,
        "serials": serials,
        "changes": changes,
        "operations": operations,
        "leases": [{**row, "machine": "", "done": 0, "steps": 0} for row in tables["leases"]],
    }


def _joined(row: Row) -> Row:
    body = {"name": row["name"], **dict(_parts(row)), **json.loads(row["lifecycle"])}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    kept = {name: row[name] for name in ("stack", "address", "kind", "id")}
    return {**kept, "body": text, "sum": row_sum(row["address"], row["kind"], row["id"], text)}


def _parts(row: Row) -> Iterator[tuple[str, Any]]:
    yield "config", json.loads(row["config"])
    yield "attributes", json.loads(row["attributes"])
    if row["dependencies"] != "[]":
        yield "dependencies", json.loads(row["dependencies"])
    if row["protected"]:
        yield "protected", True
    if row["created_at"]:
        yield "created_at", row["created_at"]


def _outputs(row: Row) -> Row:
    body = row["outputs"]
    kept = {"stack": row["name"], "address": OUTPUTS, "kind": "", "id": ""}
    return {**kept, "body": body, "sum": row_sum(OUTPUTS, "", "", body)}


UPGRADES: Mapping[int, Callable[[Tables], Tables]] = {1: _with_lifecycle, 2: _with_history}
"""What turns a stored form into the next one, by its version."""
