"""The sandbox: the simulated provider with its store, its processes and its key."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import string
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from attrs import evolve

from flowplan.sandbox.access import Access
from flowplan.sandbox.runner import Runner
from flowplan.sandbox.store import Store
from flowplan.sandbox.world.auction import advance
from flowplan.sandbox.world.request import Request, Response
from flowplan.sandbox.world.routes import found, give_default_key, handle
from flowplan.sandbox.world.world import Moment, SshDestination, World, no_ssh
from flowplan.values.diagnostic import Diagnostic, FlowplanError

App = Callable[[Any, Any, Any], Awaitable[None]]
PUBLIC_KEY = "ssh/id_ed25519.pub"
"""The public half of the sandbox's own key pair, in its folder; there once it was served with an SSH server."""
_LETTERS = string.ascii_letters + string.digits


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
            self.api_key = _read_key(home / "api-key")
        except OSError as error:
            summary = f"The sandbox's folder {home} cannot be used"
            raise FlowplanError(Diagnostic.error(summary, str(error))) from error
        self._runner = Runner(home, boot_delay_s, enclose) if execute else None
        self._store = Store(home / "sandbox.db")
        self.access = Access(home, self._order, self._status_of)
        self.ssh_key: Path | None = None
        """The private key that opens its instances over SSH, while it is served with an SSH server."""
        self._ssh: SshDestination = no_ssh
        self._app: App | None = None
        try:
            with self._store.changing() as world:
                self._found(world, self._moment())
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
        """
        given = {name.lower(): value for name, value in (headers or {}).items()}
        moment = self._moment()
        try:
            response = self._answer(method.upper(), path, query, given, body, moment)
        except FlowplanError as error:
            response = Response(500, {"detail": str(error)})
        answer = {
            "date": format_datetime(moment.now.astimezone(UTC), usegmt=True),
            "x-request-id": given.get("x-client-request-id") or secrets.token_hex(8),
        }
        if response.status == 401:
            answer["www-authenticate"] = "Bearer"
        content = b""
        if response.body is not None:
            content = json.dumps(response.body).encode()
            answer["content-type"] = "application/json"
        if response.status != 204:
            answer["content-length"] = str(len(content))
        return response.status, answer, content

    def configure(self, **rules: Any) -> None:
        """Set switches of `Rules`; they are kept in the file and hold for everyone who uses it.

        Raises:
            TypeError: no switch has that name.
        """
        with self._store.changing() as world:
            world.put(evolve(world.rules, **rules))

    def status(self) -> dict[str, int]:
        """How many bids, instances, volumes and reservations are live."""
        moment = self._moment()
        self._advance(moment)
        with self._store.reading() as world:
            states = [instance.status(moment.now) for instance in world.instances.values()]
            return {
                "bids": sum(bid.is_live for bid in world.bids.values()),
                "instances": sum(state == "STATUS_RUNNING" for state in states),
                "volumes": sum(volume.deleted_at is None for volume in world.volumes.values()),
                "reservations": sum(order.is_live for order in world.reservations.values()),
            }

    def reset(self) -> None:
        """End every process and forget every object; the API key stays."""
        self._store.wipe()
        (self._runner or Runner(self.home, self._boot_delay_s)).reset()
        with self._store.changing() as world:
            self._found(world, self._moment())

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
        moment = self._moment()
        self._advance(moment)
        with self._store.reading() as world:
            return {fid: instance.status(moment.now) for fid, instance in world.instances.items()}

    def public_keys(self, fid: str) -> list[str]:
        """The SSH public keys that open an instance: those of its launch specification."""
        with self._store.reading() as world:
            instance = world.instances.get(fid)
            if instance is None:
                return []
            order = world.bids.get(instance.bid or "") or world.reservations[instance.reservation or ""]
            return [world.ssh_keys[key].public_key for key in order.launch.ssh_keys]

    def close(self) -> None:
        """Let go of the file; instances go on running."""
        self._store.close()

    def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, moment: Moment
    ) -> Response:
        if not self._may_enter(headers.get("authorization", "")):
            return Response(401, {"detail": "Could not validate credentials"})
        try:
            data = json.loads(body) if body.strip() else None
        except (ValueError, RecursionError):
            problem = {"loc": ["body", 0], "msg": "JSON decode error", "type": "json_invalid"}
            return Response(422, {"detail": [problem]})
        key = headers.get("idempotency-key", "")
        request = Request(method, path, _parse_query(query), data, key)
        if method == "GET":
            with self._store.reading() as world:
                if not world.is_empty and not world.due(moment.now):
                    return handle(world, request, moment)
        with self._store.changing() as world:
            self._found(world, moment)
            response = handle(world, request, moment)
            has_effects = bool(world.effects)
        if has_effects:
            self._run_effects()
        return response

    def _may_enter(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode(), self.api_key.encode())

    def _advance(self, moment: Moment) -> None:
        """Let happen what is due, so that what is read next is how things stand now."""
        with self._store.reading() as world:
            if not world.due(moment.now):
                return
        with self._store.changing() as world:
            advance(world, moment)
        self._run_effects()

    def _run_effects(self) -> None:
        """Do what was decided; an effect is crossed off only after it was done, and may be done twice.

        One that the system refuses (a full disk, no more processes) is tried again with the next.
        """
        pending = self._store.pending()
        done = []
        with self._store.reading() as world:
            for number, effect in pending:
                try:
                    if self._runner is not None:
                        self._runner.perform(world, effect)
                except OSError:
                    continue
                done.append(number)
        if done:
            self._store.done(done)

    def _order(self, fid: str) -> tuple[tuple[str, ...], bool] | None:
        """The instances of a bid or reservation in node order, and whether it has ended."""
        self._advance(self._moment())
        with self._store.reading() as world:
            order = world.bids.get(fid) or world.reservations.get(fid)
            return None if order is None else (order.instances, not order.is_live)

    def _status_of(self, fid: str) -> str | None:
        """An instance's status; None if there is none."""
        moment = self._moment()
        self._advance(moment)
        with self._store.reading() as world:
            instance = world.instances.get(fid)
            return None if instance is None else instance.status(moment.now)

    def _found(self, world: World, moment: Moment) -> None:
        if world.is_empty:
            found(world, moment, str(uuid.uuid4()), str(uuid.uuid4()))
            with contextlib.suppress(OSError):
                give_default_key(world, (self.home / PUBLIC_KEY).read_text().strip())

    def _moment(self) -> Moment:
        return Moment(self._clock(), _new_fid, self._boot_delay_s, self._ssh)


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


def _new_fid(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(16))}"


def _parse_query(query: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        # A list may come as repeated parameters too; both spellings mean the same.
        found[name] = f"{found[name]},{value}" if name in found and name.endswith("_in") else value
    return found


def _read_key(path: Path) -> str:
    """The API key of this sandbox, made on first use; only its owner may read the file."""
    for _ in range(2):
        try:
            key = path.read_text().strip()
        except FileNotFoundError:
            key = ""
        if key:
            return key
        key = "fkey_" + "".join(secrets.choice(_LETTERS) for _ in range(24))
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(key + "\n")
        try:
            # A link fails where the file exists: of two first users one wins, and both use its key.
            os.link(draft, path)
        except FileExistsError:
            if not path.read_text().strip():
                draft.replace(path)
                return key
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text().strip()
