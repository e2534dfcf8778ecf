"""The exit codes of the program: the one table that the code, docs/exit-codes.md and the tests read."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process ends with. ``meaning`` and ``advice`` are what docs/exit-codes.md prints."""

    meaning: str
    advice: str

    def __new__(cls, value: int, meaning: str, advice: str = "") -> ExitCode:
        """A code with its words."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning, code.advice = meaning, advice
        return code

    DONE = 0, "done; for `plan`, also when there are changes (see 2)"
    ERROR = (
        1,
        "an error in the stack, the state or the provider, or a no: nothing was done, or nothing of it is left",
        "read the messages, all are shown",
    )
    CHANGES = 2, "`plan --detailed-exitcode`: there are changes"
    DIFFERS = (
        3,
        "`fmt --check`, `modules lock --check`: something would change; `wait`, `run --wait`: a task was cancelled or "
        "lost, so what was waited for can never be",
        "run it without `--check`; `flowplan status`",
    )
    REFUSED = (
        4,
        "refused by a guard: the plan would destroy data or give up money that nobody allowed it to; `state push` of "
        "another or an older state; `state rollback` that would leave an object on no record",
        "the message names the option that allows it, or what does not fit",
    )
    PARTLY = (
        5,
        "partly applied: some changes were done, some failed, were skipped or not started",
        "mend the cause and run the command that the summary ends with",
    )
    TRANSIENT = 6, "a transient failure of the provider or the network; nothing was done", "run it again"
    LOCKED = (
        7,
        "another run holds the stack's lock, or took it over",
        "wait for it (`--lock-timeout`); the message names who",
    )
    STALE = (
        8,
        "the saved plan no longer fits the state, the objects, the stack's files or the secrets; or the plan is not the "
        "one that `--approve` names",
        "plan again",
    )
    UNKNOWN = (
        9,
        "the outcome of a change is unknown; `state` edits no record meanwhile",
        "`plan` shows it, `apply` settles it",
    )
    USAGE = 64, "the command line is wrong", "`flowplan COMMAND --help`"
    TIMED_OUT = 124, "`wait --timeout`: the time ran out, and the tasks go on", "wait again"
    HUNG_UP = 129, "ended by SIGHUP, as when the terminal is closed", "as for 130"
    INTERRUPTED = 130, "interrupted by Ctrl-C", "apply again; the journal covers what was in flight"
    READER_GONE = (
        141,
        "whoever read the output went away; `apply` and `destroy` go on without it, and end with their own code",
    )
    TERMINATED = 143, "ended by SIGTERM", "as for 130"


def render_reference() -> str:
    """The table of docs/exit-codes.md."""
    rows = [f"| {code.value} | {code.meaning} | {code.advice} |" for code in ExitCode]
    return "\n".join(["| code | meaning | what to do |", "|---:|---|---|", *rows])
