"""The sandbox: a local simulator of the Mithril Compute API v2 that really runs the commands.

`open_sandbox` is the way in. What it simulates is in ``world``; a folder holds one SQLite file, a folder per
instance (disk, output, record of its exit) and a folder per volume. Where the system lets an ordinary user make
namespaces, each instance is a private root file system with its own process tree; volumes appear at
``/mnt/<volume name>``, Block volumes too (as folders: there is no raw device).
"""

# Why not from typing: a supervisor is started through this package for every machine and must start fast.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox, open_sandbox
    from flowplan.sandbox.serve import serve
    from flowplan.sandbox.world.records import Rules

__all__ = ["Rules", "Sandbox", "open_sandbox", "serve"]

_HOMES = {"Sandbox": "sandbox", "open_sandbox": "sandbox", "serve": "serve", "Rules": "world.records"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    found: object = getattr(module, name)
    globals()[name] = found
    return found
