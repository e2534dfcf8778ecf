"""A full task configuration and the facts of one launch -> the startup script."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from flowplan.launch import code, mounts, size
from flowplan.launch.command import Command, delays
from flowplan.launch.environment import env_problems, env_text
from flowplan.launch.section import section
from flowplan.resources.attribute import Problem
from flowplan.values.value import Fingerprint, Sensitive, Unknown, is_sensitive, leaves, reveal

_WORKSPACE = "/workspace"
_RENDEZVOUS = ("FLOW_NODE_RANK", "FLOW_NUM_NODES", "FLOW_MAIN_IP")
_DISTRIBUTED = (*_RENDEZVOUS, "MASTER_ADDR", "MASTER_PORT")


@frozen
class LaunchFacts:
    """What a launch knows beyond the configuration.

    ``name`` is the task's full name. ``code_archive`` is a tar.gz of the code to unpack into the working
    directory, or None for none. ``attempt`` is the number the first run of the workload bears in the
    completion record; retries count on from it. ``mark`` stands in the script as a comment: with one drawn for each
    creation, no two scripts are alike, and a task is recognised by the digest of its script.
    """

    name: str
    code_archive: bytes | None = None
    attempt: int = 1
    mark: str = ""


@frozen
class Script:
    """A startup script. ``text`` is wrapped in `Sensitive` if anything sensitive went into it.

    ``length`` is its size in bytes as sent; ``packed`` says that it is the self-unpacking form.
    """

    text: str | Sensitive
    length: int
    packed: bool = False


def render(config: Mapping[str, Any], facts: LaunchFacts) -> tuple[Script | None, list[Problem]]:
    """The startup script of a task, or None and every reason why there is none.

    ``config`` holds the documented TaskConfig fields, all known; absent ones take their documented defaults.
    """
    whole = dict(config)
    problems = [
        Problem(path, "this value is not known yet, so the startup script cannot be written")
        for path, leaf in leaves(whole)
        if isinstance(leaf, (Unknown, Fingerprint))
    ]
    if problems:
        return None, problems
    bare: dict[str, Any] = reveal(whole)
    problems = _problems(bare, facts)
    if problems:
        return None, problems
    text = _text(bare, facts)
    fitted = size.fitted(text)
    length = size.length(fitted)
    if length > size.SCRIPT_LIMIT:
        return None, [_too_long(length, facts.code_archive is not None)]
    secret = is_sensitive(whole)
    return Script(Sensitive(fitted) if secret else fitted, length, packed=fitted is not text), []


def _problems(config: Mapping[str, Any], facts: LaunchFacts) -> list[Problem]:
    found = env_problems(config.get("env") or {})
    found += mounts.volume_problems(config.get("volumes") or ())
    found += mounts.data_problems(config.get("data_mounts") or ())
    for name in ("command", "image", "working_dir"):
        found += [
            Problem((name, *path), unfit)
            for path, leaf in leaves(config.get(name))
            if (unfit := _unfit(leaf))
        ]
    if code.needs_code(config):
        archive = facts.code_archive or b""
        problem = code.code_problem(config, len(archive))
        found += [problem] if problem else []
    return found


def _unfit(leaf: object) -> str:
    if not isinstance(leaf, str):
        return ""
    if "\0" in leaf:
        return "holds a NUL character, which no command line or environment can carry; remove it"
    try:
        leaf.encode("utf-8")
    except UnicodeEncodeError:
        return "holds a lone surrogate, which is not valid text; remove it"
    return ""


def _text(config: Mapping[str, Any], facts: LaunchFacts) -> str:
    env = {str(key): env_text(value) for key, value in (config.get("env") or {}).items()}
    volumes = mounts.volume_mounts(config.get("volumes") or ())
    data = mounts.data_mounts(config.get("data_mounts") or ())
    working_dir = mounts.absolute(config.get("working_dir") or _WORKSPACE, _WORKSPACE)
    command = Command.of(config.get("command"))
    image = "" if config.get("dev_vm") else (config.get("image") or "")
    nodes = int(config.get("num_instances") or 1)
    distributed = nodes > 1 and config.get("distributed_mode") != "manual"
    archive = facts.code_archive if code.needs_code(config) else None
    seconds = int((config.get("max_run_time_hours") or 0) * 3600)

    passed = [*env, "FLOW_TASK_NAME", "FLOW_ATTEMPT", *(_DISTRIBUTED if nodes > 1 else ())]
    options = [f"-e{name}" for name in dict.fromkeys(passed)]
    options += [f"-e{v.variable}={v.path}" for v in volumes if v.variable not in env]
    # Nodes of one task must reach each other on any port, as collective libraries do.
    options += ["--network=host"] if nodes > 1 else [f"-p{port}:{port}" for port in config.get("ports") or ()]
    options.append(f"-w{working_dir}")

    parts = [
        section("header", attempt=facts.attempt, mark=facts.mark),
        section("environment", name=facts.name, env=list(env.items())),
    ]
    if volumes or data:
        parts.append(section("volumes", mounts=volumes, data_mounts=data))
    if distributed and not all(name in env for name in _RENDEZVOUS):
        parts.append(section("rendezvous", nodes=nodes))
    parts.append(
        section("code", working_dir=working_dir, archive=base64.b64encode(archive or b"").decode("ascii"))
    )
    parts.append(
        section(
            "command",
            command=command,
            image=image,
            docker_options=options,
            docker_paths=mounts.container_paths(working_dir, volumes, data),
            docker_argv=_container_argv(command),
            seconds=seconds,
        )
    )
    parts.append(section("completion", pauses=delays(config.get("retries")), seconds=seconds, image=image))
    return "".join(parts)


def _container_argv(command: Command) -> tuple[str, ...]:
    """The words after the image. Images without bash get the shell they have."""
    if command.argv:
        return command.argv
    if command.direct:
        return ("/flow-command",)
    if command.line:
        return (
            "sh",
            "-c",
            'if command -v bash >/dev/null; then exec bash -c -- "$1"; fi; eval "$1"',
            "sh",
            command.line,
        )
    return (
        "sh",
        "-c",
        "if command -v bash >/dev/null; then exec bash /flow-command; fi; exec sh /flow-command",
    )


def _too_long(length: int, with_code: bool) -> Problem:
    smaller = "a shorter command that fetches the rest (curl, git clone, a file on a volume)"
    advice = f"set upload_strategy: none to send no code, or use {smaller}" if with_code else f"use {smaller}"
    return Problem(
        ("upload_code",) if with_code else ("command",),
        f"the startup script is {length:,} bytes even when packed; the provider takes {size.SCRIPT_LIMIT:,}",
        advice[0].upper() + advice[1:] + ".",
    )
