"""What a scenario may say: every fault with its settings, the markets, the rules. Checked here, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, fields

from flowplan.sandbox.world.records import Rules
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.quantity import Money, parse_duration

_MOST_FAULTS = 1000
_MOST_STEPS = 100_000
_LONGEST_S = 3650 * 86400
Place = tuple[str | int, ...]


@frozen
class Problem:
    """A mistake in a scenario: where (keys and indexes from the top), what is wrong, what would be right."""

    place: Place
    summary: str
    suggestion: str = ""


@frozen
class Scenario:
    """A checked scenario. ``faults`` are (kind, settings), ``series`` are prices by market: (second, cents)."""

    seed: int | None = None
    rules: Mapping[str, Any] = field(factory=dict)
    model: str | None = None
    market_seed: int = 0
    round_s: int | None = None
    series: Mapping[str, tuple[tuple[int, int], ...]] = field(factory=dict)
    faults: tuple[tuple[str, Mapping[str, Any]], ...] = ()


class _Wrong(Exception):
    """A value is not what it must be: what is wrong, what would be right."""


Read = Callable[[Any], Any]


def seconds(value: Any) -> float:
    """A duration such as 90s or 2h, or a number of seconds."""
    try:
        if isinstance(value, bool):
            raise ValueError
        found = float(value) if isinstance(value, int | float) else parse_duration(str(value)).total_seconds()
        if not 0 <= found <= _LONGEST_S:
            raise ValueError
    except ValueError:
        raise _Wrong("is not a duration", "Write 30s, 10m, 2h, or seconds.") from None
    return found


def cents(value: Any) -> int:
    """A price such as $12.50 or 12.5, in cents."""
    try:
        if isinstance(value, bool):
            raise ValueError
        found = Money.parse(str(value)).cents
        if not 0 <= found <= 10**9:
            raise ValueError
    except ValueError:
        raise _Wrong("is not a price", "Write one as $12.50, for an instance and hour.") from None
    return found


def _number(least: int, most: int) -> Read:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _Wrong("is not a number in range", f"Write a whole number from {least} to {most}.")
        return value

    return read


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _Wrong("is not a probability", "Write a number from 0 to 1.")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > 500:
        raise _Wrong("is not a text", "Write a short text.")
    return value


def _choice(*words: str) -> Read:
    def read(value: Any) -> str:
        if value not in words:
            raise _Wrong("is not known", f"It is one of {', '.join(words)}.")
        return str(value)

    return read


def _ordinals(value: Any) -> list[int]:
    found = value if isinstance(value, list) else [value]
    if not found or len(found) > 1000:
        raise _Wrong("is not a list of ordinals", "Write 2, or [1, 3].")
    return [_number(1, 10**9)(item) for item in found]


def _span(value: Any) -> list[float]:
    """One duration, or two: the bounds."""
    found = [seconds(item) for item in (value if isinstance(value, list) else [value])]
    if len(found) not in (1, 2) or found[0] > found[-1]:
        raise _Wrong("is neither a duration nor two, the shorter first", "Write 200ms, or [100ms, 2s].")
    return [found[0], found[-1]]


def _status(value: Any) -> int:
    found: int = _number(400, 599)(value)
    return found


_MATCH: dict[str, Read] = {
    "method": _choice("GET", "POST", "PATCH", "DELETE"),
    "path": _text,
    "nth": _ordinals,
    "probability": _share,
    "times": _number(1, 10**9),
}
_WHEN: dict[str, Read] = {"at": seconds}
_WHERE: dict[str, Read] = {**_WHEN, "for": seconds, "market": _text}
_EFFECT = _choice("before", "after")

KINDS: dict[str, tuple[dict[str, Read], dict[str, Any], str]] = {
    "latency": ({**_MATCH, "seconds": _span, "mean": seconds}, {}, "An answer comes late."),
    "throttle": ({**_MATCH, "retry_after": seconds}, {"retry_after": 1.0}, "429 with Retry-After."),
    "error": (
        {**_MATCH, "status": _status, "effect": _EFFECT, "detail": _text},
        {"status": 500, "effect": "before"},
        "An error before or after the request has taken effect.",
    ),
    "lost": (
        {**_MATCH, "effect": _EFFECT},
        {"effect": "after"},
        "No answer comes, or the request gets lost.",
    ),
    "truncated": (_MATCH, {}, "Half of the answer comes, after the request has taken effect."),
    "novel": (
        {**_MATCH, "word": _text, "field": _text},
        {"word": "Unheard Of", "field": "novelty"},
        "An answer has a status and a field that nobody documented.",
    ),
    "lag": ({**_WHEN, "for": seconds, "seconds": seconds}, {}, "Lists show new objects late."),
    "no_capacity": (_WHERE, {"market": "*"}, "No bid is allocated; running ones go on."),
    "quota": (
        {**_WHERE, "product": _choice("Spot", "Reservations", "Storage"), "total": _number(0, 10**9)},
        {"market": "*", "product": "Spot", "total": 0},
        "A quota is full.",
    ),
    "spike": ({**_WHERE, "price": cents}, {"market": "*"}, "Others pay this price at least."),
    "storm": (_WHERE, {"market": "*", "for": 900.0}, "Every spot machine is preempted."),
    "vanish": (
        {**_WHEN, "object": _choice("bid", "volume", "ssh_key", "reservation"), "name": _text},
        {},
        "Something is deleted behind our back.",
    ),
    "relocate": ({**_WHEN, "name": _text}, {}, "The machines of a bid move to other hosts."),
}
"""Each fault: its settings and how they are read, their defaults, what it does."""
_NEEDED = {
    "lag": ("seconds",),
    "spike": ("price",),
    "vanish": ("object", "name"),
    "relocate": ("name",),
}


def read_fault(given: Any, place: Place = ()) -> tuple[tuple[str, dict[str, Any]] | None, list[Problem]]:
    """One fault, as (kind, settings), and what is wrong with it."""
    if not isinstance(given, Mapping):
        return None, [Problem(place, "a fault is not a mapping", "Write kind: latency, and its settings.")]
    kind = given.get("kind")
    if kind not in KINDS:
        what = "a fault has no kind" if kind is None else f"there is no fault {kind!r}"
        hint = did_you_mean(str(kind), KINDS) or f"The kinds are {', '.join(KINDS)}."
        return None, [Problem((*place, *(() if kind is None else ("kind",))), what, hint)]
    readers, defaults, _ = KINDS[kind]
    settings = dict(defaults)
    problems = _read(given, readers, place, f"a {kind} fault", settings, known=("kind",))
    for name in _NEEDED.get(kind, ()):
        if name not in given:
            problems.append(Problem(place, f"a {kind} fault needs {name!r}"))
    if kind == "latency" and ("seconds" in settings) == ("mean" in settings) and not problems:
        problems.append(Problem(place, "a latency fault needs either 'seconds' or 'mean'"))
    if "price" in settings:
        settings["price_cents"] = settings.pop("price")
    return (kind, settings), problems


def read_scenario(given: Any) -> tuple[Scenario, list[Problem]]:
    """A scenario, and everything that is wrong with it."""
    if not isinstance(given, Mapping):
        return Scenario(), [Problem((), "the scenario is not a mapping", "Write faults: and a list.")]
    problems: list[Problem] = []
    seed: dict[str, Any] = {}
    sections = ("rules", "market", "faults")
    problems += _read(given, {"seed": _number(0, 2**63)}, (), "a scenario", seed, known=sections)
    rules: dict[str, Any] = {}
    if (text := given.get("rules")) is not None:
        problems += _read(text, _RULES, ("rules",), "the rules", rules)
    market: dict[str, Any] = {}
    series: dict[str, tuple[tuple[int, int], ...]] = {}
    if (text := given.get("market")) is not None:
        problems += _read(text, _MARKET, ("market",), "the market", market, known=("prices",))
        if isinstance(text, Mapping) and text.get("prices") is not None:
            series, found = read_prices(text["prices"], ("market", "prices"))
            problems += found
            market.setdefault("model", "recorded")
    faults = []
    listed = given.get("faults") or []
    if not isinstance(listed, list) or len(listed) > _MOST_FAULTS:
        problems.append(Problem(("faults",), f"the faults are not a list of at most {_MOST_FAULTS}"))
        listed = []
    for index, item in enumerate(listed):
        fault, found = read_fault(item, ("faults", index))
        problems += found
        if fault is not None:
            faults.append(fault)
    model, drawn, pace = market.get("model"), market.get("seed", seed.get("seed", 0)), market.get("round")
    whole = None if pace is None else int(pace)
    return Scenario(seed.get("seed"), rules, model, drawn, whole, series, tuple(faults)), problems


def read_prices(
    given: Any, place: Place = ()
) -> tuple[dict[str, tuple[tuple[int, int], ...]], list[Problem]]:
    """Recorded prices: for each market (or "*") a mapping from a time after the beginning to a price."""
    problems: list[Problem] = []
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    if not isinstance(given, Mapping):
        return found, [Problem(place, "prices are not a mapping", 'Write "*": {0s: $8.00, 30m: $12.00}.')]
    for market, steps in given.items():
        here = (*place, market)
        if not isinstance(steps, Mapping) or len(steps) > _MOST_STEPS:
            problems.append(Problem(here, "a price series is not a mapping of times to prices"))
            continue
        read = []
        for at, price in steps.items():
            try:
                read.append((int(seconds(at)), cents(price)))
            except _Wrong as wrong:
                problems.append(Problem((*here, at), f"{at!r}: {price!r} {wrong.args[0]}", wrong.args[1]))
        found[str(market)] = tuple(sorted(dict(read).items()))
    return found, problems


def _read(
    given: Any,
    readers: Mapping[str, Read],
    place: Place,
    what: str,
    into: dict[str, Any],
    known: tuple[str, ...] = (),
) -> list[Problem]:
    if not isinstance(given, Mapping):
        return [Problem(place, f"{what} is not a mapping")]
    problems = []
    for name, value in given.items():
        if name in known:
            continue
        read = readers.get(name)
        if read is None:
            names = (*readers, *known)
            hint = did_you_mean(str(name), names) or f"It has {', '.join(names)}."
            problems.append(Problem((*place, name), f"{what} has no {str(name)!r}", hint))
            continue
        try:
            into[name] = read(value)
        except _Wrong as wrong:
            problems.append(Problem((*place, name), f"{value!r} {wrong.args[0]}", wrong.args[1]))
    return problems


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("is not a truth value", "Write true or false.")
    return value


def _optional(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _gigabytes(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1 << 20:
        raise _Wrong("is not an amount of memory", "Write gigabytes, such as 4.")
    return float(value)


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 1e6:
        raise _Wrong("is not a rate", "Write how many a second, such as 5.")
    return float(value)


_SPECIAL: dict[str, Read] = {
    "in_use_status": _status,
    "delete_again_status": _number(200, 599),
    "spot_refusal_status": lambda value: 0 if value == 0 else _status(value),
    "memory_gb": _optional(_gigabytes),
    "processes": _optional(_number(1, 1 << 22)),
    "open_files": _number(16, 1 << 20),
    "boot_s": _optional(seconds),
    "page_size": _number(1, 100),
    "requests_per_s": _optional(_rate),
}


def _rules() -> dict[str, Read]:
    """How each switch of `Rules` is read."""
    found: dict[str, Read] = {}
    for attribute in fields(Rules):
        name = attribute.name
        if name in ("fid", "seq", "seed"):
            continue
        if name in _SPECIAL:
            found[name] = _SPECIAL[name]
        else:
            found[name] = _boolean if isinstance(attribute.default, bool) else seconds
    return found


_RULES = _rules()
_MARKET: dict[str, Read] = {
    "model": _choice("calm", "seeded", "recorded"),
    "seed": _number(0, 2**63),
    "round": seconds,
}
