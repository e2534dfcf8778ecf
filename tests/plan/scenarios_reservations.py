"""Reservations: longer, fewer, over; and what is committed."""

from __future__ import annotations

from datetime import UTC, datetime

from plan_builders import volume
from plan_cases import ALL, Case

RES = "reservations: {r: {instance_type: 8xh100, quantity: %d, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: %d%s}}"
PAID = {"reservation.r": {"price_total_usd": 960.0}}
LOADED = f"volumes: {{v: {volume()}}}\n" + RES % (4, 24, ", volumes: ['{{ volume.v }}']")
MIDDAY = datetime(2026, 12, 1, 12, tzinfo=UTC)
REPLACED = "reservation.r cannot be replaced"
DROPPED = ("reservation.r cannot be cancelled",)
MONEY = {"reservation.r": ("MONEY",)}
FEWER = "COMMITTED: reservation.r would give up $240.00 already paid"


def cannot(name: str) -> tuple[str, ...]:
    return (f"reservation.r: {name} cannot be changed",)


CASES = {
    "bought": Case(None, RES % (4, 24, ""), {"reservation.r": "create"}, steps=["create reservation.r"]),
    "longer": Case(
        RES % (4, 24, ""),
        RES % (4, 48, ""),
        {"reservation.r": "update"},
        known=PAID,
        amount={"reservation.r": 960.0},
    ),
    "a little longer": Case(
        RES % (4, 24, ""),
        RES % (4, 30, ""),
        {"reservation.r": "update"},
        known=PAID,
        amount={"reservation.r": 240.0},
    ),
    "shorter": Case(
        RES % (4, 24, ""), RES % (4, 12, ""), {"reservation.r": "update"}, errors=cannot("duration_hours")
    ),
    "fewer, refused": Case(
        RES % (4, 24, ""),
        RES % (3, 24, ""),
        {"reservation.r": "update"},
        known=PAID,
        losses=MONEY,
        amount={"reservation.r": 240.0},
        errors=(FEWER,),
        code=4,
    ),
    "fewer, allowed": Case(
        RES % (4, 24, ""),
        RES % (3, 24, ""),
        {"reservation.r": "update"},
        {"reservation.r": ("quantity changed in the stack",)},
        ["update reservation.r"],
        known=PAID,
        asked=ALL,
        losses=MONEY,
    ),
    "fewer, when half of it is over": Case(
        RES % (4, 24, ""),
        RES % (3, 24, ""),
        {"reservation.r": "update"},
        known=PAID,
        asked=ALL,
        amount={"reservation.r": 120.0},
        see={"at": MIDDAY},
    ),
    "fewer and longer": Case(
        RES % (4, 24, ""), RES % (3, 48, ""), {"reservation.r": "update"}, known=PAID, asked=ALL
    ),
    "fewer before it has begun": Case(
        RES % (4, 24, ""),
        RES % (3, 24, ""),
        {"reservation.r": "update"},
        asked=ALL,
        see={"drift": {"reservation.r": {"status": "scheduled"}}},
        errors=("reservation.r has not begun, so it has nothing to give back yet",),
    ),
    "more": Case(
        RES % (4, 24, ""), RES % (5, 24, ""), {"reservation.r": "update"}, errors=cannot("quantity")
    ),
    "another start": Case(
        RES % (4, 24, ""),
        (RES % (4, 24, "")).replace("12-01", "12-02"),
        {"reservation.r": "update"},
        errors=cannot("start_time_utc"),
    ),
    "another type": Case(
        RES % (4, 24, ""),
        (RES % (4, 24, "")).replace("8xh100", "a100"),
        {"reservation.r": "update"},
        errors=cannot("instance_type"),
    ),
    "another name": Case(
        RES % (4, 24, ""), RES % (4, 24, ", name: other"), {"reservation.r": "update"}, errors=cannot("name")
    ),
    "other keys": Case(
        RES % (4, 24, ""),
        RES % (4, 24, ", ssh_keys: [k]"),
        {"reservation.r": "update"},
        errors=cannot("ssh_keys"),
    ),
    "replaced on request": Case(
        RES % (4, 24, ""), None, errors=(REPLACED,), asked={"replace": ("reservation.r",)}, steps=[]
    ),
    "removed, refused": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        known=PAID,
        losses=MONEY,
        amount={"reservation.r": 960.0},
        errors=("COMMITTED: reservation.r would give up $960.00 already paid",),
        warnings=DROPPED,
        code=4,
    ),
    "removed, half of it over": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        known=PAID,
        see={"at": MIDDAY},
        errors=("COMMITTED: reservation.r would give up $480.00 already paid",),
        warnings=DROPPED,
        code=4,
    ),
    "removed, its price not known": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        losses=MONEY,
        errors=("COMMITTED: reservation.r would give up an amount that is not on record already paid",),
        warnings=DROPPED,
        code=4,
    ),
    "removed, allowed": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        known=PAID,
        asked=ALL,
        warnings=DROPPED,
        steps=["forget reservation.r"],
    ),
    "removed, allowed for data only": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        known=PAID,
        warnings=DROPPED,
        asked={"allow_data_loss": ("**",)},
        errors=("COMMITTED: reservation.r would give up $960.00 already paid",),
        code=4,
    ),
    "retained": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        was={"reservation.r": {"on_remove": "retain"}},
        warnings=("reservation.r is forgotten and stays at the provider as res_r",),
        losses={"reservation.r": ()},
    ),
    "let go of": Case(
        RES % (4, 24, ""),
        "tasks: {}",
        {"reservation.r": "forget"},
        removed={"reservation.r": False},
        warnings=("reservation.r is forgotten and stays at the provider as res_r",),
    ),
    "destroyed": Case(
        RES % (4, 24, ""),
        None,
        {"reservation.r": "forget"},
        known=PAID,
        destroy=True,
        warnings=DROPPED,
        losses=MONEY,
    ),
    "destroyed with a volume it holds": Case(
        LOADED,
        None,
        {"reservation.r": "forget", "volume.v": "delete"},
        {},
        ["detach reservation.r", "forget reservation.r", "delete volume.v"],
        destroy=True,
        warnings=DROPPED,
    ),
    "destroyed with a volume that a list shows it to hold and the record does not": Case(
        LOADED,
        None,
        {"reservation.r": "forget", "volume.v": "delete"},
        known={"reservation.r": {"volume_ids": []}},
        see={"drift": {"reservation.r": {"volume_ids": ["vol_v"]}}},
        steps=["detach reservation.r", "forget reservation.r", "delete volume.v"],
        destroy=True,
        warnings=DROPPED,
    ),
    "removed while the volume it holds is made anew": Case(
        LOADED,
        f"volumes: {{v: {volume().replace('10', '20')}}}",
        {"reservation.r": "forget", "volume.v": "replace"},
        asked=ALL,
        steps=["detach reservation.r", "forget reservation.r", "delete volume.v", "create volume.v"],
        warnings=DROPPED,
    ),
    "ended": Case(RES % (4, 24, ""), None, see={"lost": ["reservation.r"]}, steps=[]),
    "ended and removed": Case(
        RES % (4, 24, ""), "tasks: {}", {"reservation.r": "forget"}, see={"lost": ["reservation.r"]}
    ),
    "extended by another hand": Case(
        RES % (4, 24, ""),
        None,
        see={"drift": {"reservation.r": {"end_time_utc": "2026-12-03T00:00:00Z"}}},
        drift={"reservation.r": "benign"},
        steps=[],
    ),
    "given back by another hand": Case(
        RES % (4, 24, ""),
        None,
        see={"drift": {"reservation.r": {"quantity": 2}}},
        drift={"reservation.r": "benign"},
        steps=[],
    ),
    "paused by another hand": Case(
        RES % (4, 24, ""),
        None,
        see={"drift": {"reservation.r": {"status": "paused"}}},
        drift={"reservation.r": "benign"},
        steps=[],
    ),
}
