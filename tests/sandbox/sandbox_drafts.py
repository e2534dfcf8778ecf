"""Requests that might come from a client: made from the OpenAPI document and from what was answered before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sandbox_contract import document, operations

FID = re.compile(r"(proj|it|bid|res|inst|vol|sshkey|apikey|clust|imgver|ls|user)_\w+")
PLACES = {
    "key_fid": "apikey",
    "ssh_key_fid": "sshkey",
    "bid_fid": "bid",
    "ls_fid": "ls",
    "reservation_fid": "res",
    "volume_fid": "vol",
    "cluster_fid": "clust",
    "instance_fid": "inst",
}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA somebody"
GARBAGE: tuple[Any, ...] = (
    "",
    "\x00",
    "é" * 70,
    "\ud800",
    "../..",
    "9999-12-31T23:59:59+00:00",
    "0001-01-01T00:00:00+14:00",
    0,
    -1,
    10**30,
    1.5,
    1e308,
    True,
    [],
    [None],
    [[1]],
    {},
    {"a": {}},
)
AVAILABILITY = {
    "latest_end_time": ("start_time", "quantity"),
    "slots": ("earliest_start_time", "latest_end_time"),
    "check": ("start_time", "end_time", "quantity"),
}
_KEPT = 40
_RARE = {"kubernetes_cluster": 0.1, "image_version": 0.15}


class Drafts:
    """Draws requests; what answers told of is used in later ones."""

    def __init__(self, markets: Iterable[tuple[str, str]], now: Callable[[], datetime]) -> None:
        self._markets = list(markets)
        self._now = now
        self.pool: dict[str, list[str]] = {}
        self.orders: dict[str, Mapping[str, Any]] = {}
        """Reservations by their ids, as they were last shown."""
        self._paused: list[str] = []

    def learn(self, answer: Any) -> None:
        """Remember the ids and cursors of an answer."""
        if isinstance(answer, dict):
            if str(answer.get("fid", "")).startswith("res_") and "end_time" in answer:
                self.orders[answer["fid"]] = answer
            for name, value in answer.items():
                if name == "next_cursor" and isinstance(value, str):
                    self._keep("cursor", value)
                self.learn(name)
                self.learn(value)
        elif isinstance(answer, list):
            for value in answer:
                self.learn(value)
        elif isinstance(answer, str) and FID.fullmatch(answer):
            self._keep(answer.partition("_")[0], answer)

    def draw(self, label: str, random: Random, tame: bool = False) -> tuple[str, dict[str, Any], Any]:
        """A path, a query and a body for an operation; ``tame`` without garbage."""
        operation = operations()[label]
        market = random.choice(self._markets[:3] if random.random() < 0.8 else self._markets)
        wild = 0.0 if tame else 0.06
        path, query = label.split()[1], {}
        for parameter in operation.get("parameters", ()):
            name, schema = parameter["name"], parameter["schema"]
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", self._place(label, name, random))
            elif parameter.get("required") or random.random() < 0.35:
                value = self._value(name, schema, random, market, wild)
                query[name] = ",".join(map(str, value)) if isinstance(value, list) else value
        body = None
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            body = self._value("body", content["schema"], random, market, wild)
        if random.random() < 0.8:
            self._aim(label, path, query, body, random)
        return path, query, body

    def _aim(self, label: str, path: str, query: dict[str, Any], body: Any, random: Random) -> None:
        """Make a request fit what is known of its object, so that it goes through more often."""
        hour = timedelta(hours=1)
        if label == "GET /v2/reservation/availability":
            mode = query["mode"] = random.choice(tuple(AVAILABILITY))
            for name in AVAILABILITY[mode]:
                query[name] = 1 if name == "quantity" else self._instant(name, random)
        if not isinstance(body, dict):
            return
        order = self.orders.get(path.split("/")[3]) if path.startswith("/v2/reservation/") else None
        if order is not None and label.endswith("/extend"):
            end = datetime.fromisoformat(order["end_time"])
            body["end_time"] = (end + random.randint(1, 6) * hour).isoformat()
            body.pop("price_specification", None)
        elif order is not None and label.endswith("/terminate-instances") and order["instances"]:
            chosen = random.sample(order["instances"], random.randint(1, len(order["instances"])))
            body |= {"instances": chosen, "reduce_capacity": True}
        elif label in ("PATCH /v2/instances", "POST /v2/instances/{instance_fid}/refresh-boot-disk"):
            known = [fid for one in self.orders.values() for fid in one["instances"]]
            if known and "instances" in body:
                body["instances"] = [random.choice(known[-6:])]
                body["status"] = random.choice(("STATUS_PAUSED", "STATUS_PAUSED", "STATUS_RUNNING"))
                if body["status"] == "STATUS_PAUSED":
                    self._paused += body["instances"]
            body.pop("image_version", None)
        elif label == "PATCH /v2/spot/bids/{bid_fid}":
            body.pop("memory_gb", None)
            if "volumes" in body:
                body["paused"] = True

    def _keep(self, kind: str, value: str) -> None:
        known = self.pool.setdefault(kind, [])
        if value not in known:
            known.append(value)
            del known[:-_KEPT]

    def _one(self, kind: str, random: Random) -> str:
        known = self.pool.get(kind)
        if known and random.random() < 0.95:
            return known[-1] if random.random() < 0.4 else random.choice(known)
        return f"{kind}_none"

    def _place(self, label: str, name: str, random: Random) -> str:
        reserved = [fid for one in self.orders.values() for fid in one["instances"]]
        if label.endswith("/refresh-boot-disk") and random.random() < 0.8 and (self._paused or reserved):
            return random.choice(self._paused[-3:] or reserved)
        return self._one(PLACES[name], random)

    def _value(
        self, name: str, schema: Mapping[str, Any], random: Random, market: tuple[str, str], wild: float
    ) -> Any:
        if random.random() < wild:
            return random.choice(GARBAGE)
        if "$ref" in schema:
            return self._value(name, _resolve(schema), random, market, wild)
        if "anyOf" in schema:
            return self._value(name, schema["anyOf"][0], random, market, wild)
        if name == "instance_type":
            return market[0]
        if name in ("project", "volumes", "ssh_keys", "instances") and schema.get("type") == "string":
            return self._one(
                {"project": "proj", "volumes": "vol", "ssh_keys": "sshkey"}.get(name, "inst"), random
            )
        if name == "instance_types":
            return f"{market[0]},{random.choice(self._markets)[0]}"
        if name == "region":
            return market[1]
        if schema.get("format") == "datetime":
            return self._instant(name, random)
        if name == "limit_price":
            return f"${random.randint(7, 60)}.{random.randint(0, 99):02}"
        if name == "name":
            return f"n{random.randint(0, 12)}"
        if name == "public_key":
            return PUBLIC_KEY
        if name == "offer_key":
            return random.choice(("standard", "flexible"))
        if name == "size_gb":
            return random.randint(1, 400)
        if name == "max_unit_price":
            return random.choice((1, 100_000))
        if name == "next_cursor":
            return self._one("cursor", random)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return random.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            required = schema.get("required", ())
            chosen = [
                field
                for field in schema["properties"]
                if field in required or random.random() < _RARE.get(field, 0.4)
            ]
            if "memory_gb" in chosen and random.random() < 0.9:
                chosen.remove("memory_gb")
            return {
                field: self._value(field, schema["properties"][field], random, market, wild)
                for field in chosen
            }
        if kind == "array":
            count = random.choice((0, 0, 0, 1, 2)) if name == "volumes" else random.choice((1, 1, 2))
            items = [self._value(name, schema["items"], random, market, wild) for _ in range(count)]
            return list(dict.fromkeys(items)) if all(isinstance(item, str) for item in items) else items
        if kind == "integer":
            most = 100 if name == "limit" else 1000 if name == "num_samples" else 4
            return random.randint(int(schema.get("minimum", 1)), int(min(schema.get("maximum", most), most)))
        if kind == "boolean":
            return random.random() < (0.02 if name == "required" else 0.5)
        kinds = [FID.fullmatch(example) for example in schema.get("examples", ()) if isinstance(example, str)]
        for match in kinds:
            if match:
                return self._one(match[1], random)
        return f"text {random.randint(0, 99)}"

    def _instant(self, name: str, random: Random) -> str:
        hour = timedelta(hours=1)
        if name == "expires_at":
            at = self._now() + random.randint(1, 500) * hour
        elif "end" in name:
            at = self._now() + random.choice((3, 4, 5, 8, 12, 30)) * hour
        else:
            at = self._now() + random.choice((0, 0, 0, 1, 2)) * hour
        return at.isoformat()


def _resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
