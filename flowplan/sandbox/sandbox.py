"""The sandbox: the simulated provider with its store, its processes and its key."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from attrs import evolve

from flowplan.sandbox import credentials, incoming
from flowplan.sandbox.access import Access
from flowplan.sandbox.faults.pace import Bucket
from flowplan.sandbox.faults.strikes import UNHARMED, Broken, Strike, disguise, matching, strike
from flowplan.sandbox.keyring import new_secret, random_fid, read_secret, seeded_fids
from flowplan.sandbox.runner import Runner
from flowplan.sandbox.store import Store
from flowplan.sandbox.world.auction import advance
from flowplan.sandbox.world.callers import digest, identify
from flowplan.sandbox.world.request import Request, Response
from flowplan.sandbox.world.routes import found, give_default_key, handle
from flowplan.sandbox.world.simulation import completion
from flowplan.sandbox.world.terms import Clock
from flowplan.sandbox.world.world import Moment, SshDestination, World, no_ssh
from flowplan.values.diagnostic import Diagnostic, FlowplanError

App = Callable[[Any, Any, Any], Awaitable[None]]
PUBLIC_KEY = "ssh/id_ed25519.pub"
"""The public half of the sandbox's own key pair, in its folder; there once it was served with an SSH server."""


class Sandbox:
    """A simulated provider in a folder of its own; make one with `open_sandbox`.

    Several may be open on one folder, in one process or many: each request is one transaction of the file.
    """

    def __init__(
        self, home: Path, clock: Callable[[], datetime], execute: bool, boot_delay_s: float, enclose: bool
    ) -> None:
        self.home = home = home.absolute()
        self._clock = clock
        self._boot_delay_s = boot_delay_s
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.api_key = read_secret(home / "api-key")
        except OSError as error:
            summary = f"The sandbox's folder {home} cannot be used"
            raise FlowplanError(Diagnostic.error(summary, str(error))) from error
        self._bucket = Bucket()
        self._root_digest = digest(self.api_key)
        self._runner = Runner(home, boot_delay_s, enclose) if execute else None
        self._store = Store(home / "sandbox.db")
        self.access = Access(home, self._order, self._status_of, self._simulated)
        self.ssh_key: Path | None = None
        """The private key that opens its instances over SSH, while it is served with an SSH server."""
        self._ssh: SshDestination = no_ssh
        self._app: App | None = None
        try:
            with self._store.changing() as world:
                self._found(world)
            # What a process decided and did not live to do is done by the next one.
            self._run_effects()
        except BaseException:
            self._store.close()
            raise

    @property
    def app(self) -> App:
        """The ASGI application, for `httpx.ASGITransport` or a server."""
        if self._app is None:
            from flowplan.sandbox.app import asgi

            self._app = asgi(self)
        return self._app

    def handle(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one HTTP request: (status, headers, body). ``query`` is the raw query string.

        Trouble with the folder or file is answered with 500, as a broken service would.

        Raises:
            Broken: a fault on demand breaks the connection.
        """
        struck = self.strike(method.upper(), path)
        if struck.delay_s:
            time.sleep(struck.delay_s)
        return self._finish(struck, method, path, query, headers, body)

    async def respond(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[int, dict[str, str], bytes]:
        """The same as `handle`, for an event loop, which goes on while a fault delays the answer."""
        struck = self.strike(method.upper(), path)
        if struck.delay_s:
            import asyncio

            await asyncio.sleep(struck.delay_s)
        return self._finish(struck, method, path, query, headers, body)

    def strike(self, method: str, path: str) -> Strike:
        """What faults on demand do to this request, which counts as made."""
        try:
            with self._store.reading() as world:
                per_s = world.rules.requests_per_s
                if per_s is not None and (wait := self._bucket.wait_s(per_s, self._clock())):
                    detail = {"detail": "Too many requests"}
                    return Strike(before=Response(429, detail, {"retry-after": str(wait)}))
                if not world.faults or not matching(world, method, path):
                    return UNHARMED
            with self._store.changing() as world:
                return strike(world, method, path)
        except FlowplanError:
            # Whoever answers the request meets the same trouble, and tells.
            return UNHARMED

    def _finish(
        self,
        struck: Strike,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str] | None,
        body: bytes,
    ) -> tuple[int, dict[str, str], bytes]:
        if struck.is_undone:
            raise Broken
        given = {name.lower(): value for name, value in (headers or {}).items()}
        now = self._clock()
        try:
            if struck.before is None:
                response, now = self._answer(method.upper(), path, query, given, body)
            response = struck.before or struck.after or response
            if struck.novel is not None:
                response = disguise(response, *struck.novel)
        except FlowplanError as error:
            response = Response(500, {"detail": str(error)})
        answer = {
            "date": format_datetime(now.astimezone(UTC), usegmt=True),
            "x-request-id": given.get("x-client-request-id") or secrets.token_hex(8),
            **response.headers,
        }
        content = b""
        if response.text is not None or response.body is not None:
            content = (json.dumps(response.body) if response.text is None else response.text).encode()
            answer["content-type"] = "application/json"
        if response.status != 204:
            answer["content-length"] = str(len(content))
        if struck.cut:
            is_whole = struck.cut == "lost" or not content
            raise Broken(None if is_whole else (response.status, answer, content[: len(content) // 2]))
        return response.status, answer, content

    @contextlib.contextmanager
    def changing(self) -> Iterator[tuple[World, Moment]]:
        """The world as it is now and the present moment, to change it by hand; stored when the block ends."""
        with self._store.changing() as world:
            moment = self._moment(world)
            advance(world, moment)
            yield world, moment
        self._run_effects()

    @contextlib.contextmanager
    def viewing(self) -> Iterator[tuple[World, Moment]]:
        """The world as it is now and the present moment, to look at."""
        self._settle()
        with self._store.reading() as world:
            yield world, self._moment(world)

    def configure(self, **rules: Any) -> None:
        """Set switches of `Rules`; they are kept in the file and hold for everyone who uses it.

        Raises:
            TypeError: no switch has that name.
        """
        with self._store.changing() as world:
            world.put(evolve(world.rules, **rules))

    def status(self) -> dict[str, int]:
        """How many bids, instances, volumes and reservations are live."""
        with self.viewing() as (world, moment):
            states = [instance.status(moment.now) for instance in world.instances.values()]
            return {
                "bids": sum(bid.is_live for bid in world.bids.values()),
                "instances": sum(state == "STATUS_RUNNING" for state in states),
                "volumes": sum(volume.deleted_at is None for volume in world.volumes.values()),
                "reservations": sum(order.is_live for order in world.reservations.values()),
            }

    def reset(self, seed: int | None = None, at: datetime | None = None) -> None:
        """End every process and forget every object; the API key stays, and whether commands are run.

        With a ``seed`` ids, delays and faults are drawn from it from now on, so that the same requests at the same
        times are answered the same. With ``at`` the clock stands still there, so that they are at the same times.
        """
        with self._store.reading() as world:
            executes = world.rules.executes
        self._store.wipe()
        (self._runner or Runner(self.home, self._boot_delay_s)).reset()
        with self._store.changing() as world:
            if at is not None and world.is_empty:
                world.put(Clock(frozen_at=at))
            self._found(world, seed)
            world.put(evolve(world.rules, executes=executes))

    def open_ssh(self, key: Path, public_key: str, destination: SshDestination) -> None:
        """From now on instances have the address that ``destination`` gives, and the default key is this one.

        Raises:
            FlowplanError: the file cannot be written.
        """
        with self._store.changing() as world:
            give_default_key(world, public_key)
        self.ssh_key, self._ssh = key, destination

    def instances(self) -> dict[str, str]:
        """The status of every instance by its id."""
        with self.viewing() as (world, moment):
            return {fid: instance.status(moment.now) for fid, instance in world.instances.items()}

    def public_keys(self, fid: str) -> list[str]:
        """The SSH public keys that open an instance: those of its launch specification."""
        with self._store.reading() as world:
            instance = world.instances.get(fid)
            if instance is None:
                return []
            order = world.bids.get(instance.bid or "") or world.reservations[instance.reservation or ""]
            return [world.ssh_keys[key].public_key for key in order.launch.ssh_keys]

    @property
    def executes(self) -> bool:
        """Whether instances run their commands."""
        with self._store.reading() as world:
            return self._runner is not None and world.rules.executes

    def real_now(self) -> datetime:
        """The real time, as far as this sandbox knows it."""
        return self._clock()

    def dump(self, world: World) -> dict[str, list[Any]]:
        """Every object of a world by kind, as JSON data."""
        return self._store.dump(world)

    def close(self) -> None:
        """Let go of the file; instances go on running."""
        self._store.close()

    def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Response, datetime]:
        """The answer, and the world's time when it was given."""
        secret = incoming.read_secret(headers)
        request = incoming.read_request(method, path, query, headers, body)
        if method == "GET":
            with self._store.reading() as world:
                # Why here: between two transactions another process may have moved the clock.
                moment = self._moment(world)
                if not world.is_empty and world.first_due(moment.now) is None:
                    return self._enter(world, secret, request, moment), moment.now
        with self._store.changing() as world:
            self._found(world)
            moment = self._moment(world)
            response = self._enter(world, secret, request, moment)
            has_effects = bool(world.effects)
        if has_effects:
            self._run_effects()
        return response, moment.now

    def _enter(self, world: World, secret: str, request: Request | Response, moment: Moment) -> Response:
        """Answer somebody who has a key; a request that could not even be read comes as its answer."""
        caller = identify(world, secret, self._root_digest, moment.now)
        if caller is None:
            detail = {"detail": "Could not validate credentials"}
            return Response(401, detail, {"www-authenticate": "Bearer"})
        if isinstance(request, Response):
            return request
        return handle(world, evolve(request, caller=caller), moment)

    def _settle(self) -> None:
        """Let happen what is due, so that what is read next is how things stand now."""
        with self._store.reading() as world:
            if world.first_due(self._moment(world).now) is None:
                return
        with self._store.changing() as world:
            advance(world, self._moment(world))
        self._run_effects()

    def _run_effects(self) -> None:
        """Do what was decided; an effect is crossed off only after it was done, and may be done twice.

        One that the system refuses (a full disk, no more processes) is tried again with the next.
        """
        pending = self._store.pending()
        done = []
        with self._store.reading() as world:
            now = world.clock.now(self._clock())
            for number, effect in pending:
                try:
                    if self._runner is not None and (world.rules.executes or effect.verb != "start"):
                        self._runner.perform(world, effect, now)
                except OSError:
                    continue
                done.append(number)
        if done:
            self._store.done(done)

    def _order(self, fid: str) -> tuple[tuple[str, ...], bool] | None:
        """The instances of a bid or reservation in node order, and whether it has ended."""
        with self.viewing() as (world, _):
            order = world.bids.get(fid) or world.reservations.get(fid)
            return None if order is None else (order.instances, not order.is_live)

    def _status_of(self, fid: str) -> str | None:
        """An instance's status; None if there is none."""
        with self.viewing() as (world, moment):
            instance = world.instances.get(fid)
            return None if instance is None else instance.status(moment.now)

    def _simulated(self, fid: str) -> Mapping[str, Any] | None:
        """How the script of an instance that runs no commands ended, if it would have by now."""
        with self.viewing() as (world, moment):
            return completion(world, world.instances[fid], moment.now)

    def _found(self, world: World, seed: int | None = None) -> None:
        if world.is_empty:
            moment = self._moment(world, seed)
            draw = uuid.uuid4 if seed is None else lambda: _seeded_uuid(moment)
            found(world, moment, str(draw()), str(draw()))
            if seed is not None:
                world.put(evolve(world.rules, seed=seed))
            with contextlib.suppress(OSError):
                give_default_key(world, (self.home / PUBLIC_KEY).read_text().strip())

    def _moment(self, world: World, seed: int | None = None) -> Moment:
        seed = world.rules.seed if seed is None else seed
        return Moment(
            world.clock.now(self._clock()),
            random_fid if seed is None else seeded_fids(world, seed),
            self._boot_delay_s,
            self._ssh,
            credentials.new_key_pair,
            new_secret,
        )


def open_sandbox(
    home: Path,
    clock: Callable[[], datetime] | None = None,
    execute: bool = True,
    boot_delay_s: float = 0.2,
    enclose: bool = True,
) -> Sandbox:
    """Open the sandbox in the folder ``home``, making it on first use.

    ``clock`` gives the time as the simulated provider sees it (default: the real one); ``execute`` off runs no
    commands; machines run ``boot_delay_s`` seconds after they were allocated; ``enclose`` off gives them no root
    file system of their own even where the system could.

    Raises:
        FlowplanError: the folder or the file in it cannot be used.
    """
    return Sandbox(home, clock or _now, execute, boot_delay_s, enclose)


def _now() -> datetime:
    return datetime.now(UTC)


def _seeded_uuid(moment: Moment) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, moment.new_fid("uuid"))
