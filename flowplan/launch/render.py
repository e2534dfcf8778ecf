"""A full task configuration and the facts of one launch -> the startup script."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from attrs import field

from flowplan.launch import code, mounts, size
from flowplan.launch.command import Command, delays
from flowplan.launch.environment import env_problems, env_text
from flowplan.launch.section import section
from flowplan.resources.attribute import Problem
from flowplan.values.classes import frozen
from flowplan.values.value import Fingerprint, Sensitive, Unknown, is_sensitive, leaves, reveal

_WORKSPACE = "/workspace"
_RENDEZVOUS = ("FLOW_NODE_RANK", "FLOW_NUM_NODES", "FLOW_MAIN_IP")
_DISTRIBUTED = (*_RENDEZVOUS, "MASTER_ADDR", "MASTER_PORT")


@frozen
class Ending:
    """What a task's instances need to end it: the API's address, the project's id, and a key made for this task.

    ``key_id`` is the key's own id, with which it is revoked at the end.
    """

    url: str
    project: str
    key: Sensitive
    key_id: str


def ends_itself(config: Mapping[str, Any]) -> bool:
    """Whether a task is to be ended from its own instances: when its command ends, or when its time is over."""
    return bool(config.get("terminate_on_exit") or config.get("max_run_time_hours"))


@frozen
class LaunchFacts:
    """What a launch knows beyond the configuration.

    ``name`` is the task's full name. ``code_archive`` is a tar.gz of the code to unpack into the working
    directory, or None for none. ``attempt`` is the number the first run of the workload bears in the
    completion record; retries count on from it. ``mark`` stands in the script as a comment: with one drawn for each
    creation, no two scripts are alike, and a task is recognised by the digest of its script. ``can_upload`` says that
    whoever launches it can copy code to its instances once they run. ``ending`` is how it can end itself, for a task
    that `ends_itself`.
    """

    name: str
    code_archive: bytes | None = field(default=None, repr=False)
    attempt: int = 1
    mark: str = ""
    can_upload: bool = False
    ending: Ending | None = None


@frozen
class Script:
    """A startup script. ``text`` is wrapped in `Sensitive` if anything sensitive went into it.

    ``length`` is its size in bytes as sent; ``packed`` says that it is the self-unpacking form, and
    ``awaits_code`` that the code has to be copied to `flowplan.launch.code.CODE_PATH` of every instance.
    """

    text: str | Sensitive
    length: int
    packed: bool = False
    awaits_code: bool = False


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
    size_of_code = len(facts.code_archive or b"")
    has_code = code.needs_code(bare) and facts.code_archive is not None
    script = _script(bare, facts, whole, embeds=has_code and code.may_embed(bare, size_of_code))
    if script.length <= size.SCRIPT_LIMIT:
        return _reachable(script, bare, facts)
    without = _script(bare, facts, whole, embeds=False) if has_code else script
    if without.length > size.SCRIPT_LIMIT:
        return None, [_too_long(without.length)]
    if not code.may_upload(bare):
        return None, [code.too_large(size_of_code, script.length, size.SCRIPT_LIMIT)]
    return _reachable(without, bare, facts)


def _reachable(
    script: Script, bare: Mapping[str, Any], facts: LaunchFacts
) -> tuple[Script | None, list[Problem]]:
    """The script, unless it awaits code that nobody here can bring."""
    if script.awaits_code and not facts.can_upload:
        return None, [code.no_way(bare, len(facts.code_archive or b""))]
    return script, []


def _script(bare: Mapping[str, Any], facts: LaunchFacts, whole: Mapping[str, Any], embeds: bool) -> Script:
    text = _text(bare, facts, embeds)
    fitted = size.fitted(text)
    return Script(
        text=Sensitive(fitted) if facts.ending is not None or is_sensitive(whole) else fitted,
        length=size.length(fitted),
        packed=fitted is not text,
        awaits_code=facts.code_archive is not None and code.needs_code(bare) and not embeds,
    )


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


def _text(config: Mapping[str, Any], facts: LaunchFacts, embeds: bool) -> str:
    env = {str(key): env_text(value) for key, value in (config.get("env") or {}).items()}
    volumes = mounts.volume_mounts(config.get("volumes") or ())
    data = mounts.data_mounts(config.get("data_mounts") or ())
    working_dir = mounts.absolute(config.get("working_dir") or _WORKSPACE, _WORKSPACE)
    command = Command.of(config.get("command"))
    image = "" if config.get("dev_vm") else (config.get("image") or "")
    nodes = int(config.get("num_instances") or 1)
    distributed = nodes > 1 and config.get("distributed_mode") != "manual"
    archive = facts.code_archive if code.needs_code(config) and embeds else None
    awaits = facts.code_archive is not None and code.needs_code(config) and not embeds
    timeout = int(config.get("upload_timeout") or 600) if awaits else 0
    ending = facts.ending if ends_itself(config) else None
    seconds = int((config.get("max_run_time_hours") or 0) * 3600)

    passed = [*env, "FLOW_TASK_NAME", "FLOW_ATTEMPT", *(_DISTRIBUTED if nodes > 1 else ())]
    options = [f"-e{name}" for name in dict.fromkeys(passed)]
    options += [f"-e{v.variable}={v.path}" for v in volumes if v.variable not in env]
    # Nodes of one task must reach each other on any port, as collective libraries do.
    options += ["--network=host"] if nodes > 1 else [f"-p{port}:{port}" for port in config.get("ports") or ()]
    options.append(f"-w{working_dir}")

    parts = [
        section("header", attempt=facts.attempt, mark=facts.mark, ending=ending),
        *([_ending(ending, config, facts.name, nodes)] if ending else []),
        section("environment", name=facts.name, env=list(env.items())),
    ]
    if volumes or data:
        parts.append(section("volumes", mounts=volumes, data_mounts=data))
    if distributed and not all(name in env for name in _RENDEZVOUS):
        parts.append(section("rendezvous", nodes=nodes))
    parts.append(
        section(
            "code",
            working_dir=working_dir,
            archive=base64.b64encode(archive or b"").decode("ascii"),
            upload_timeout=timeout,
        )
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


def _ending(ending: Ending, config: Mapping[str, Any], name: str, nodes: int) -> str:
    return section(
        "ending",
        url=ending.url,
        project=ending.project,
        key=ending.key.reveal(),
        key_id=ending.key_id,
        is_always=bool(config.get("terminate_on_exit")),
        name=name,
        nodes=nodes,
    )


def _too_long(length: int) -> Problem:
    return Problem(
        ("command",),
        f"the startup script is {length:,} bytes even when packed; the provider takes {size.SCRIPT_LIMIT:,}",
        "Use a shorter command that fetches the rest (curl, git clone, a file on a volume).",
    )
