"""How a task goes in a sandbox that runs no commands: it takes a time and ends."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
import zlib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from flowplan.sandbox.world.records import Instance
from flowplan.sandbox.world.wire import instant
from flowplan.sandbox.world.world import World
from flowplan.values.quantity import parse_duration

DURATION = "FLOWPLAN_SANDBOX_DURATION"
"""The variable of a task that says how long its command takes: a duration such as 90s, or seconds."""
EXIT_CODE = "FLOWPLAN_SANDBOX_EXIT_CODE"
"""The variable that says with what code it ends; 0 if it says nothing."""
_EXPORT = re.compile(rf"^\s*export ({DURATION}|{EXIT_CODE})=(.*)$", re.MULTILINE)
_PACKED = re.compile(r"<<'FLOW_SCRIPT' \| gzip -dc\n([A-Za-z0-9+/=\n]+)FLOW_SCRIPT\n")
_LONGEST = 1 << 22


def completion(world: World, instance: Instance, now: datetime) -> dict[str, Any] | None:
    """The record of a script's end; None if there is no script, or it has not ended or was stopped before it could.

    A script runs at the first boot only, and as long as the machine runs on; one that leaves something in the
    per-boot folder, as flowplan's do, starts again at later boots.
    """
    order = world.bids.get(instance.bid or "") or world.reservations[instance.reservation or ""]
    if order.launch.script is None or not (script := world.texts.read(order.launch.script)):
        return None
    hints = _hints(script)
    lasts = hints[0] if hints[0] is not None else timedelta(seconds=world.rules.duration_s)
    runs = _runs(instance, now)
    boots = 0
    for begun, until in runs if hints[2] else runs[:1]:
        boots += 1
        if until >= begun + lasts:
            break
    else:
        return None
    return {
        "exit_code": hints[1],
        "started_at": instant(begun),
        "ended_at": instant(begun + lasts),
        "attempt": boots,
        "timed_out": False,
    }


def _runs(instance: Instance, now: datetime) -> list[tuple[datetime, datetime]]:
    """From when until when the machine was up, boot by boot; the last one until now if it is up."""
    found: list[tuple[datetime, datetime]] = []
    begun: datetime | None = None
    for event in instance.events:
        if event.at > now:
            break
        if event.status == "RUNNING":
            begun = begun or event.at
        elif begun is not None and event.status != "PREEMPTING":
            found.append((begun, event.at))
            begun = None
    return found if begun is None else [*found, (begun, now)]


@lru_cache(maxsize=512)
def _hints(script: str) -> tuple[timedelta | None, int, bool]:
    """What a script says about its end: how long it takes, with what code, and whether it runs at later boots."""
    lasts: timedelta | None = None
    code = 0
    bare = _unpacked(script)
    for name, text in _EXPORT.findall(bare):
        try:
            words = shlex.split(text)
            value = words[0] if words else ""
            if name == EXIT_CODE:
                code = int(value) % 256
            elif re.fullmatch(r"\d+(\.\d+)?", value):
                lasts = timedelta(seconds=float(value))
            else:
                lasts = parse_duration(value)
        except (ValueError, OverflowError):
            continue
    return lasts, code, "scripts/per-boot" in bare


def _unpacked(script: str) -> str:
    """The script itself, where it came packed."""
    match = _PACKED.search(script)
    if match is None:
        return script
    try:
        raw = zlib.decompressobj(31).decompress(base64.b64decode(match[1]), _LONGEST)
        return raw.decode("utf-8", "replace")
    except (ValueError, binascii.Error, zlib.error):
        return script
