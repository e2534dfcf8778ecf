"""Faults that meet single requests."""

from __future__ import annotations

import hashlib
import json
import math
import re
from functools import lru_cache
from typing import Any

from attrs import evolve

from flowplan.sandbox.world.request import Response
from flowplan.sandbox.world.terms import Fault
from flowplan.sandbox.world.world import World
from flowplan.values.classes import frozen

REQUEST_KINDS = ("latency", "throttle", "error", "lost", "truncated", "novel")
_MOST_DELAY_S = 60.0


@frozen
class Strike:
    """What happens to one request: it waits ``delay_s`` seconds; ``before`` is answered in place of doing it,
    ``after`` in place of its true answer, ``novel`` (a status, the name of a field) within it; ``cut`` is ``lost`` (no answer comes) or ``truncated`` (half of one).
    With ``is_undone`` a lost request never arrives.
    """

    delay_s: float = 0.0
    before: Response | None = None
    after: Response | None = None
    cut: str = ""
    novel: tuple[str, str] | None = None
    is_undone: bool = False


UNHARMED = Strike()


class Broken(ConnectionError):
    """The connection breaks before the answer is complete; ``partial`` is what had come: status, headers, bytes."""

    def __init__(self, partial: tuple[int, dict[str, str], bytes] | None = None) -> None:
        super().__init__("the connection was closed before the answer was complete")
        self.partial = partial


def disguise(response: Response, word: str, field: str) -> Response:
    """An answer whose every object has this status, if it has one, and one more field."""
    if response.status >= 300 or response.status == 204:
        return response
    body = response.body if response.text is None else json.loads(response.text)
    return evolve(response, body=_disguised(body, word, field), text=None)


def _disguised(value: Any, word: str, field: str) -> Any:
    if isinstance(value, list):
        return [_disguised(item, word, field) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _disguised(item, word, field) for name, item in value.items()}
    if isinstance(found.get("status"), str):
        found["status"] = word
    return {**found, field: word}


def matching(world: World, method: str, path: str) -> list[Fault]:
    """The faults that a request may meet."""
    return [
        fault
        for fault in world.faults.values()
        if not fault.over and fault.kind in REQUEST_KINDS and _concerns(fault.settings, method, path)
    ]


def strike(world: World, method: str, path: str) -> Strike:
    """Count a request with every fault it matches, and say what happens to it. The first that refuses it wins."""
    found = UNHARMED
    seed = world.rules.seed or 0
    for fault in matching(world, method, path):
        number = fault.matched + 1
        hits = _hits(fault, number, seed)
        struck = fault.struck + hits
        times = fault.settings.get("times")
        over = times is not None and struck >= times
        world.put(evolve(fault, matched=number, struck=struck, over=over))
        if hits:
            found = _join(found, _meaning(fault, number, seed))
    return found


def _concerns(settings: dict[str, Any], method: str, path: str) -> bool:
    wanted = settings.get("method")
    return wanted in (None, method) and _pattern(settings.get("path", "*")).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in glob.split("*")))


def _hits(fault: Fault, number: int, seed: int) -> bool:
    nth = fault.settings.get("nth")
    if nth is not None and number not in nth:
        return False
    return _chance(seed, fault, number, "hit") < float(fault.settings.get("probability", 1.0))


def _meaning(fault: Fault, number: int, seed: int) -> Strike:
    settings = fault.settings
    if fault.kind == "latency":
        return Strike(min(_MOST_DELAY_S, _delay(settings, _chance(seed, fault, number, "delay"))))
    if fault.kind == "throttle":
        headers = {"retry-after": f"{settings['retry_after']:g}"}
        return Strike(before=Response(429, {"detail": "Too many requests"}, headers))
    is_before = settings.get("effect") == "before"
    if fault.kind == "error":
        status = settings["status"]
        answer = Response(status, {"detail": settings.get("detail", f"Injected fault: {status}")})
        return Strike(before=answer) if is_before else Strike(after=answer)
    if fault.kind == "novel":
        return Strike(novel=(settings["word"], settings["field"]))
    return Strike(cut=fault.kind, is_undone=is_before and fault.kind == "lost")


def _delay(settings: dict[str, Any], chance: float) -> float:
    """Seconds: fixed, evenly between two bounds, or exponential with a mean."""
    if "mean" in settings:
        return -float(settings["mean"]) * math.log(1.0 - chance)
    low, high = settings["seconds"]
    return float(low) + (float(high) - float(low)) * chance


def _join(first: Strike, second: Strike) -> Strike:
    delay = first.delay_s + second.delay_s
    if first.before or first.after or first.cut or first.novel:
        return evolve(first, delay_s=delay)
    return evolve(second, delay_s=delay)


def _chance(seed: int, fault: Fault, number: int, what: str) -> float:
    """A number from 0 to less than 1."""
    text = f"{seed}\0{fault.fid}\0{number}\0{what}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / (1 << 48)
