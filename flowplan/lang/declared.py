"""Whether an address names something the stack declares, and what it may have meant where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from flowplan.lang.scope import Scope, Silent
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Address
from flowplan.values.diagnostic import did_you_mean

if TYPE_CHECKING:
    from flowplan.lang.world import World


def parse_address(text: str) -> Address | None:
    """The address that a text spells, or None."""
    try:
        return Address.parse(text)
    except ValueError:
        return None


def names(world: World) -> list[str]:
    """The addresses that a folder declares, without keys."""
    return [f"{kind.value}.{name}" for kind, named in world.resources.items() for name in named]


def reach(world: World, path: tuple[str, ...]) -> World | None:
    """The world of a module by its path from ``world``; None where there is none, or a call on the way is broken."""
    here = world
    for part in path:
        call = here.modules.get(part.partition("[")[0])
        if call is None:
            return None
        try:
            call.worlds()
        except (Silent, ExpressionError):
            return None
        inner = world.shared.worlds.get((*here.module, part))
        if inner is None:
            return None
        here = inner
    return here


def meant(world: World, text: str) -> str:
    """The declared address that a text which is none may stand for, as a suggestion; "" where there is none."""
    known = names(world)
    same = [address for address in known if address.partition(".")[2] == text]
    return f"Did you mean {same[0]!r}?" if same else did_you_mean(text, known)


def declared(scope: Scope, world: World, address: Address, at: int) -> bool:
    """Whether an address names something the stack declares; reported where not."""
    if address.module:
        inner = reach(world, address.module)
        if inner is None:
            _no_module(scope, world, address.module, at)
            return False
        world, address = inner, evolve(address, module=())
    if address.kind.value in world.opaque:
        scope.broken = True
        return False
    found = world.resources[address.kind].get(address.name)
    if found is None:
        known = names(world)
        near = did_you_mean(str(address.resource), known)
        listed = f"The stack declares: {', '.join(known[:20])}." if known else ""
        scope.fail(at, f"there is no {world.prefix}{address.resource} in this stack", near or listed)
        return False
    if address.key is None:
        return True
    try:
        keys = found.instances()
    except (Silent, ExpressionError):
        scope.broken = True
        return False
    if address.key in keys:
        return True
    listed = ", ".join(repr(key) for key in list(keys)[:20] if key is not None)
    suggestion = f"Its keys are: {listed}." if listed else "It has no for_each; leave the key out."
    scope.fail(at, f"{address.resource} has no instance {address.key!r}", suggestion)
    return False


def _no_module(scope: Scope, world: World, path: tuple[str, ...], at: int) -> None:
    """Report a path of modules that leads nowhere; silent where a call on it is broken."""
    for depth in range(len(path)):
        outer = world.shared.worlds.get((*world.module, *path[:depth]))
        if outer is None:
            break
        name = path[depth].partition("[")[0]
        call = outer.modules.get(name)
        if call is None:
            known = list(outer.modules)
            near = did_you_mean(name, known) or (f"The modules are: {', '.join(known)}." if known else "")
            text = ".".join(f"module.{part}" for part in path[: depth + 1])
            scope.fail(at, f"there is no {text} in this stack", near or "Declare it under modules:.")
            return
        try:
            keys = [key for key in call.worlds() if key is not None]
        except (Silent, ExpressionError):
            break
        if (*world.module, *path[: depth + 1]) not in world.shared.worlds:
            shown = ", ".join(repr(key) for key in keys[:20])
            advice = f"Its keys are: {shown}." if shown else "It has no for_each; leave the key out."
            text = ".".join(f"module.{part}" for part in path[: depth + 1])
            scope.fail(at, f"there is no {text} in this stack", advice)
            return
    scope.broken = True
