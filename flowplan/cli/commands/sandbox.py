"""``flowplan sandbox``: the embedded provider, served over a socket or reset."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowplan.cli.context import Context

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox


def _home(context: Context, home: str | None) -> Path:
    from flowplan.cli.project import find_project

    return Path(home) if home else find_project(Path.cwd(), context.environ).state / "sandbox"


@click.group("sandbox")
def command() -> None:
    """Serve or reset the embedded sandbox. Its tasks run as you, on this machine."""


@command.command("serve")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8420, show_default=True, help="0 is any free port."
)
@click.option("--home", metavar="DIR", help="The sandbox's folder; by default the one of this project.")
def serve(port: int, home: str | None) -> int:
    """Serve the sandbox's API on 127.0.0.1 until interrupted; running tasks go on afterwards."""
    from flowplan.sandbox.serve import serve as run

    folder = _home(Context.make(), home)

    def ready(url: str, sandbox: Sandbox) -> None:
        click.echo(f"The sandbox answers at {url}")
        click.echo("Tasks run as you, on this machine. To use it from another terminal:")
        click.echo(f"    export FLOWPLAN_SANDBOX_URL={url}")
        click.echo(f'    export MITHRIL_API_KEY="$(cat {sandbox.home / "api-key"})"')
        if sandbox.ssh_key is not None:
            click.echo(f"    export MITHRIL_SSH_KEY={shlex.quote(str(sandbox.ssh_key))}")
        else:
            click.echo("There is no SSH into its instances; pip install 'flowplan[ssh]' brings it.")

    run(folder, port, ready)
    return 0


@command.command("reset")
@click.option("--home", metavar="DIR", help="The sandbox's folder; by default the one of this project.")
def reset(home: str | None) -> int:
    """End every task of the sandbox and forget all it holds."""
    from flowplan.sandbox import open_sandbox

    folder = _home(Context.make(), home)
    sandbox = open_sandbox(folder)
    try:
        before = sandbox.status()
        sandbox.reset()
    finally:
        sandbox.close()
    ended = ", ".join(f"{count} {what}" for what, count in before.items())
    click.echo(f"The sandbox is empty. It held {ended}.")
    return 0


@command.command("status")
@click.option("--home", metavar="DIR", help="The sandbox's folder; by default the one of this project.")
def status(home: str | None) -> int:
    """Say what lives in the sandbox."""
    from flowplan.sandbox import open_sandbox

    sandbox = open_sandbox(_home(Context.make(), home))
    try:
        for what, count in sandbox.status().items():
            click.echo(f"{what}: {count}")
    finally:
        sandbox.close()
    return 0
