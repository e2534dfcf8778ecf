"""The composition root: the only place that knows concrete adapters and puts them together.

The command line and `flowplan.connect` both come here; nothing below does.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.values.bounded import read_at_most
from flowplan.values.classes import define, frozen
from flowplan.values.diagnostic import Diagnostic, Diagnostics, FlowplanError
from flowplan.values.value import Sensitive

if TYPE_CHECKING:
    import httpx

    from flowplan.client.flow import Flow
    from flowplan.client.keyring import LocalKeys
    from flowplan.client.session import Session
    from flowplan.client.ssh import SshAccess
    from flowplan.models.config import FlowConfig
    from flowplan.ports import InstanceAccess
    from flowplan.provider.config import ApiSettings
    from flowplan.provider.mithril.provider import MithrilProvider
    from flowplan.sandbox import Sandbox

SANDBOX_REGION = "us-central1-b"
"""Where the sandbox's resources live when nothing says otherwise."""
_LIMIT_SETTINGS = 1024 * 1024
"""The largest file of settings that is read, in bytes."""
_EMBEDDED_URL = "http://sandbox.invalid"


@frozen
class Project:
    """The folder that a repository's stacks share, and the folder their state is in."""

    root: Path
    state: Path

    @property
    def sandbox(self) -> Path:
        """The folder of the project's own sandbox."""
        return self.state / "sandbox"


def find_project(start: Path, environ: Mapping[str, str]) -> Project:
    """The project around ``start``: the nearest folder upward that is a git repository or already has state.

    Without one, the folder of ``start`` itself. So the state of a stack does not depend on where a command
    was typed. FLOWPLAN_DATA_DIR names another folder for the state.

    Raises:
        FlowplanError: ``start`` is no path that can be followed.
    """
    try:
        start = start.resolve()
        folder = start if start.is_dir() else start.parent
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is a link that leads to itself"
        raise FlowplanError(Diagnostic.error(f"{start} cannot be read", f"{why}.")) from None
    root = next(
        (
            f
            for f in (folder, *folder.parents)
            if (f / ".git").exists() or (f / "state" / "flowplan.db").exists()
        ),
        folder,
    )
    given = environ.get("FLOWPLAN_DATA_DIR")
    return Project(root, Path(given).resolve() if given else root / "state")


def prepare_state(project: Project) -> None:
    """Make the state folder, and have git pass over all that comes into it.

    Raises:
        FlowplanError: it cannot be made.
    """
    try:
        project.state.mkdir(parents=True, exist_ok=True)
        ignore = project.state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(
                f"The state folder {project.state} cannot be made",
                f"{error.strerror}.",
                suggestion="Make its parent writable for you, or name another folder with FLOWPLAN_DATA_DIR.",
            )
        ) from None


@define
class Connection:
    """An open provider, and the way into its instances where there is one."""

    provider: MithrilProvider
    access: InstanceAccess | None = None
    is_local: bool = False
    """Whether the instances are on this machine."""


def api_settings(environ: Mapping[str, str], own_key: str | None = None) -> tuple[ApiSettings, Diagnostics]:
    """The API's settings and what is wrong with them; ``own_key`` is the key where the environment has none."""
    from flowplan.provider.config import read_config

    def read_file(path: Path) -> str | None:
        return read_at_most(path, _LIMIT_SETTINGS).decode("utf-8") if path.exists() else None

    known = dict(environ)
    if own_key is not None:
        known.setdefault("MITHRIL_API_KEY", own_key)
    return read_config(known, read_file, Path.home())


def sandbox_key(home: Path) -> str | None:
    """The key of the sandbox in the folder ``home``, which may be the one that is served; None if there is none."""
    path = home / "api-key"
    return path.read_text().strip() if path.exists() else None


@asynccontextmanager
async def open_embedded(
    sandbox: Sandbox,
    project: str | None,
    region: str,
    transport: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] | None = None,
) -> AsyncIterator[Connection]:
    """A provider over an open sandbox of this process; ``transport`` may wrap the way the requests take."""
    from flowplan.provider.embedded import EmbeddedTransport
    from flowplan.provider.http import Client
    from flowplan.provider.mithril.provider import MithrilProvider

    way: httpx.AsyncBaseTransport = EmbeddedTransport(sandbox)
    client = Client(_EMBEDDED_URL, Sensitive(sandbox.api_key), transport=transport(way) if transport else way)
    async with MithrilProvider(client, project, region) as provider:
        provider.is_reachable_from_instances = False
        yield Connection(provider, sandbox.access, is_local=True)


def duration_of(environ: Mapping[str, str], name: str) -> float | None:
    """The duration that an environment variable gives, in seconds; None without one.

    Raises:
        FlowplanError: it is no duration.
    """
    text = environ.get(name, "").strip()
    if not text:
        return None
    from flowplan.values.quantity import parse_duration

    try:
        seconds = parse_duration(text).total_seconds()
        if seconds <= 0:
            raise ValueError(f"{text!r} is no time at all")
    except ValueError as error:
        raise FlowplanError(
            Diagnostic.error(
                f"{name} cannot be read",
                str(error),
                suggestion="Write a duration such as 30s, or leave it out.",
            )
        ) from None
    return seconds


def _timeouts(environ: Mapping[str, str]) -> dict[str, Any]:
    """How long an answer may take, by FLOWPLAN_REQUEST_TIMEOUT; the client's own patience without it."""
    seconds = duration_of(environ, "FLOWPLAN_REQUEST_TIMEOUT")
    if seconds is None:
        return {}
    return {"connect_timeout": min(seconds, 10.0), "read_timeout": seconds, "total_timeout": 4 * seconds}


@asynccontextmanager
async def open_api(
    url: str,
    key: Sensitive,
    project: str | None,
    region: str,
    own_sandbox: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Connection]:
    """A provider over the network, its instances reached over SSH where the library for it is installed.

    ``own_sandbox`` is the folder of a sandbox on this machine: where its key is the one that is used, it is the
    one that is served, so its instances are reached in that folder. ``environ`` (else this process's) says whose
    SSH keys are used: MITHRIL_SSH_KEY, HOME and XDG_DATA_HOME.
    """
    from flowplan.client.keyring import LocalKeys
    from flowplan.provider.http import Client, is_loopback
    from flowplan.provider.mithril.provider import MithrilProvider

    served = own_sandbox
    if served is not None and not (is_loopback(url) and sandbox_key(served) == key.reveal()):
        served = None  # its key is not the one that is used, so it is another sandbox that answers
    keys = LocalKeys.of_user(os.environ if environ is None else environ)
    async with AsyncExitStack() as closing:
        surroundings = os.environ if environ is None else environ
        client = Client(url, key, **_timeouts(surroundings))
        provider = MithrilProvider(client, project, region, keys if served is None else None)
        window = duration_of(surroundings, "FLOWPLAN_VISIBILITY_WINDOW")
        provider.visibility_s = provider.visibility_s if window is None else window
        await closing.enter_async_context(provider)
        if served is not None:
            folder = served

            def folder_access() -> InstanceAccess:
                from flowplan.sandbox import open_sandbox

                sandbox = open_sandbox(folder)
                closing.callback(sandbox.close)
                return sandbox.access

            yield Connection(provider, _AccessLater(folder_access), is_local=True)
            return

        def ssh_access() -> InstanceAccess:
            access = _ssh_access(provider, keys)
            closing.push_async_callback(access.close)
            return access

        yield Connection(provider, _AccessLater(ssh_access) if find_spec("asyncssh") else None)


class _AccessLater:
    """A way into instances that is opened when it is first used: most plans have no use for it."""

    def __init__(self, opened: Callable[[], InstanceAccess]) -> None:
        self._opening = opened
        self._opened: InstanceAccess | None = None

    def _access(self) -> InstanceAccess:
        if self._opened is None:
            self._opened = self._opening()
        return self._opened

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        """See `InstanceAccess`."""
        return await self._access().completion(task_id)

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        """See `InstanceAccess`."""
        return await self._access().log(task_id, node, stream, offset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._access(), name)


def _ssh_access(provider: MithrilProvider, keys: LocalKeys) -> SshAccess:
    """The way into a provider's instances over SSH."""
    from flowplan.client.ssh import SshAccess
    from flowplan.provider.mithril.whereabouts import Whereabouts

    places = Whereabouts(provider)

    async def key_for(task_id: str) -> Path | None:
        # Why: where a key is named, there is no need to ask which keys the task accepts.
        return keys.private_named() or keys.private_for(await places.public_keys(task_id))

    return SshAccess(places.destination, None, nodes=places.nodes, key_for=key_for, note=places.note)


def connect(
    config: FlowConfig | None = None,
    *,
    sandbox: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Flow:
    """Open the Python API; use it in a ``with`` block, or `Flow.close` it.

    With ``config``, the API it names. Else what the environment says: FLOWPLAN_SANDBOX_URL names a served
    sandbox; MITHRIL_API_KEY (or the key in ~/.flow/config.yaml) means the Mithril API; with no key at all it is
    the embedded sandbox of the project around the current folder. ``sandbox`` asks for an embedded one in that
    folder, whatever the environment says. Nothing is asked over the network before the first call.

    Raises:
        ValueError: both a configuration and a sandbox are given.
        FlowplanError: the settings are wrong, or the sandbox's folder cannot be used.
    """
    from flowplan.client.flow import Flow

    known = os.environ if environ is None else environ
    if config is not None and sandbox is not None:
        raise ValueError("give a config or a sandbox, not both")
    if config is not None:
        key = Sensitive(config.api_key)
        own = find_project(Path.cwd(), known).sandbox
        opening = open_api(config.api_url, key, config.project or None, config.region, own, known)
        return Flow(lambda: session(opening, config.region))
    if sandbox is not None:
        home, region = Path(sandbox), known.get("MITHRIL_REGION") or SANDBOX_REGION
        return Flow(lambda: session(_in_folder(home, region), region))
    return _from_environment(known)


def _from_environment(environ: Mapping[str, str]) -> Flow:
    from flowplan.client.flow import Flow

    project = find_project(Path.cwd(), environ)
    url = environ.get("FLOWPLAN_SANDBOX_URL")
    settings, found = api_settings(environ, sandbox_key(project.sandbox) if url else None)
    region = settings.region
    if url or settings.api_key is None:
        region = environ.get("MITHRIL_REGION") or SANDBOX_REGION
    wrong = [one for one in found.in_order() if one.is_error]
    if settings.api_key is None and settings.sources["api_key"] == "default" and not url and len(wrong) == 1:
        prepare_state(project)
        return Flow(lambda: session(_in_folder(project.sandbox, region), region))
    if wrong or settings.api_key is None:
        raise FlowplanError(*wrong)
    opening = open_api(
        url or settings.api_url,
        settings.api_key,
        settings.project,
        region,
        project.sandbox,
        environ,
    )
    return Flow(lambda: session(opening, region))


@asynccontextmanager
async def _in_folder(home: Path, region: str) -> AsyncIterator[Connection]:
    """The embedded sandbox in a folder, open as long as the connection."""
    from flowplan.sandbox import open_sandbox

    sandbox = open_sandbox(home)
    try:
        async with open_embedded(sandbox, None, region) as connection:
            yield connection
    finally:
        sandbox.close()


@asynccontextmanager
async def session(opening: AbstractAsyncContextManager[Connection], region: str) -> AsyncIterator[Session]:
    """What the Python API needs of a connection."""
    from flowplan.client.packing import read_code
    from flowplan.client.session import Session
    from flowplan.provider.mithril.handles import Handles
    from flowplan.provider.mithril.listings import Listings
    from flowplan.provider.pace import SystemClock

    async with opening as connection:
        provider, clock = connection.provider, SystemClock()
        yield Session(
            provider=provider,
            tasks=Handles(provider, connection.access, clock, is_local=connection.is_local),
            market=Listings(provider),
            access=connection.access,
            region=region,
            clock=clock,
            read_code=read_code,
        )
