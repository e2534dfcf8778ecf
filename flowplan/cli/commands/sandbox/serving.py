"""``flowplan sandbox serve``, ``start`` and ``stop``."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowplan.cli.commands.sandbox.opening import folder, home_option

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

_port = click.option(
    "--port", type=click.IntRange(0, 65535), default=8420, show_default=True, help="0 is any free port."
)
F = TypeVar("F", bound=Callable[..., Any])


def _execute(function: F) -> F:
    """``--no-exec`` and ``--exec``: whether tasks run their commands."""
    function = click.option("--exec", "runs", is_flag=True, help="Tasks run their commands again.")(function)
    return click.option(
        "--no-exec",
        "idles",
        is_flag=True,
        help="Tasks run no commands, they only take a time; kept until --exec.",
    )(function)


def _choice(runs: bool, idles: bool) -> bool | None:
    if runs and idles:
        raise click.UsageError("Give --exec or --no-exec, not both.")
    return True if runs else False if idles else None


@click.command("serve")
@_port
@_execute
@home_option
def serve(port: int, runs: bool, idles: bool, home: str | None) -> int:
    """Serve the sandbox's API on 127.0.0.1 until interrupted; running tasks go on afterwards."""
    from flowplan.sandbox.serve import serve as run

    executes = _choice(runs, idles)

    def ready(url: str, sandbox: Sandbox) -> None:
        click.echo(f"The sandbox answers at {url}")
        _explain(url, sandbox.home, sandbox.executes, sandbox.ssh_key)

    run(folder(home), port, ready, executes)
    return 0


@click.command("start")
@_port
@_execute
@home_option
def start(port: int, runs: bool, idles: bool, home: str | None) -> int:
    """Serve the sandbox's API on 127.0.0.1 in the background, until flowplan sandbox stop."""
    from flowplan.sandbox import daemon, open_sandbox

    executes = _choice(runs, idles)
    place = folder(home)
    found = daemon.served(place)
    if found is None:
        found = daemon.start(place, port, executes)
        click.echo(f"The sandbox answers at {found.url}")
    else:
        click.echo(f"The sandbox is being served already, at {found.url}")
    sandbox = open_sandbox(place)
    try:
        if executes is not None:
            sandbox.configure(executes=executes)
        key = place.absolute() / "ssh" / "id_ed25519"
        _explain(found.url, place.absolute(), sandbox.executes, key if key.exists() else None)
    finally:
        sandbox.close()
    return 0


@click.command("stop")
@home_option
def stop(home: str | None) -> int:
    """End the server of the sandbox; running tasks go on."""
    from flowplan.sandbox import daemon

    found = daemon.stop(folder(home))
    click.echo("Nobody serves the sandbox." if found is None else f"The sandbox at {found.url} has ended.")
    return 0


def _explain(url: str, home: Path, executes: bool, ssh_key: Path | None) -> None:
    from flowplan.sandbox.web.view import page_url

    if executes:
        click.echo("Tasks run as you, on this machine. To use it from another terminal:")
    else:
        click.echo("Tasks run no commands, they only take a time. To use it from another terminal:")
    click.echo(f"    export FLOWPLAN_SANDBOX_URL={url}")
    click.echo(f'    export MITHRIL_API_KEY="$(cat {shlex.quote(str(home / "api-key"))})"')
    if ssh_key is not None:
        click.echo(f"    export MITHRIL_SSH_KEY={shlex.quote(str(ssh_key))}")
    else:
        click.echo("There is no SSH into its instances; pip install 'flowplan[ssh]' brings it.")
    click.echo(f"To watch it in a browser: {page_url(url, home)}")
