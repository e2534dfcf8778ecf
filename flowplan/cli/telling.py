"""What apply and destroy tell: one stream of events, drawn for people, written as JSON lines, or both at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from attrs import field

from flowplan import __version__
from flowplan.apply.run import Result
from flowplan.cli import output
from flowplan.cli.context import Context
from flowplan.cli.outputs import masked, print_outputs
from flowplan.cli.planning import Planned
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode, Step
from flowplan.ports import Event, EventKind, Reporter
from flowplan.provider.pace import SystemClock
from flowplan.report.event_json import JsonReporter, Several, line_of, version_document
from flowplan.report.events import LineReporter
from flowplan.report.live import TICK_S, LiveReporter
from flowplan.report.plan_text import render_plan
from flowplan.report.summary import counts_of, render_summary
from flowplan.values.classes import define, frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode


@frozen
class Telling:
    """How the user wants to be told: JSON lines in place of words, and a file that gets them besides."""

    as_json: bool = False
    json_into: str = ""


@define(eq=False)
class Teller:
    """Everything that an apply says goes through here. A reader that goes away stops nothing."""

    context: Context
    as_json: bool = False
    json_to: tuple[Callable[[str], None], ...] = ()
    _live: LiveReporter | None = None
    _ended: bool = False
    _reporter: Reporter = field(init=False)

    def __attrs_post_init__(self) -> None:
        paint, reporters = self.context.paint, [JsonReporter(write) for write in self.json_to]
        if not self.as_json and output.is_live_terminal(self.context.environ):
            self._live = LiveReporter(
                output.write, output.terminal_size, time.monotonic, paint, output.speaks_unicode()
            )
        human: list[Reporter] = [] if self.as_json else [self._live or LineReporter(self._line, paint)]
        self._reporter = Several((*human, *reporters))

    @property
    def reporter(self) -> Reporter:
        """Where the engine's events go."""
        return self._reporter

    def _line(self, line: str) -> None:
        output.say(line)

    def _tell(self, kind: EventKind, **more: Any) -> None:
        self._reporter.emit(Event(kind, SystemClock().now(), **more))

    # -- before ----------------------------------------------------------------------------------------

    def plan(self, planned: Planned, is_new: bool = True) -> None:
        """Show a plan; ``is_new``: no one has seen it yet."""
        document, plan = planned.document(), planned.plan
        if is_new and not self.as_json and not (plan.has_errors and plan.is_empty):
            output.say(render_plan(document, self.context.paint))
        for change, row in zip(plan.changes, document["resource_changes"], strict=True):
            self._tell(
                EventKind.PLANNED,
                address=change.address,
                data={"actions": row["actions"], "reasons": row["reasons"]},
            )
        self._tell(
            EventKind.PLAN,
            data={
                "stack": plan.stack,
                "mode": plan.mode.value,
                "digest": document["digest"],
                "changes": plan.counts(),
                "steps": len(plan.steps),
            },
        )

    def say(self, text: str) -> None:
        """A sentence for people."""
        if self.as_json:
            return
        if self._live is not None:
            self._live.say(text)
            self._live.tick()
        else:
            output.say(text)

    def note(self, text: str) -> None:
        """A sentence for people on error output, also beside JSON lines."""
        if self._live is not None:
            self._live.say(text)
            self._live.tick()
        else:
            output.say(text, err=True)

    def warn(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Errors and warnings: on error output, or as lines where the output is JSON."""
        found = list(diagnostics)
        written = Several(tuple(JsonReporter(write) for write in self.json_to))
        for one in found:
            written.emit(Event(EventKind.NOTICE, SystemClock().now(), address=one.address, diagnostic=one))
        if not self.as_json:
            with suppress(OSError, ValueError):
                self.context.warn(found)

    # -- meanwhile -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """While this lasts, what runs is drawn on a terminal."""
        if self._live is None:
            yield
            return
        drawing = asyncio.create_task(self._draw(self._live))
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            self._live.close()
            self._live = None  # what comes now is said below what the table has left

    async def _draw(self, live: LiveReporter) -> None:
        while True:
            live.tick()
            await asyncio.sleep(TICK_S)

    # -- at the end ------------------------------------------------------------------------------------

    def finish(
        self,
        planned: Planned,
        result: Result,
        again: str,
        exit_code: int,
        outputs: Mapping[str, Any] | None = None,
        lead: str = "\n",
    ) -> None:
        """What came of it all, how to go on, and the outputs; ``lead`` comes before the words."""
        stack = planned.loaded.stack
        self.say(lead + render_summary(planned.plan, result, again, self.context.paint))
        failures = [failure.diagnostic for failure in (*result.failed, *result.unknown)]
        if failures and not self.as_json:
            with suppress(OSError, ValueError):
                self.context.warn(failures)  # as lines, each was told where it happened
        if result.fatal is not None:
            self.warn([result.fatal])
        if result.outputs:
            self.warn(result.outputs)
        if outputs is not None:
            self._tell(EventKind.OUTPUTS, data={"outputs": _shown(stack, outputs)})
            if not self.as_json:
                with suppress(OSError, ValueError):
                    print_outputs(outputs, stack, self.context.paint)
        self._end(planned.plan.mode, result, None if result.ok else again, exit_code)

    def nothing(self, planned: Planned, exit_code: int) -> None:
        """The last line where the plan may not be applied, or someone said no."""
        first = next((d for d in planned.plan.diagnostics if d.is_error), None)
        self._end(planned.plan.mode, Result(fatal=first), None, exit_code)

    def _end(self, mode: Mode, result: Result, resume: str | None, exit_code: int) -> None:
        if not self._ended:
            self._ended = True
            self._tell(EventKind.SUMMARY, data=summary_data(mode, result, resume, exit_code))

    def broken_off(self, error: FlowplanError) -> None:
        """The last line of a stream whose command came to nothing."""
        self.warn(error.diagnostics)
        self._end(Mode.NORMAL, Result(fatal=error.diagnostics[0]), None, error.exit_code)


def _shown(stack: Stack, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs as plain values; a sensitive one has none."""
    shown: dict[str, Any] = {}
    for name, declared in stack.outputs.items():
        if name in outputs:
            value = masked(outputs[name])
            hidden = declared.sensitive or value == "<sensitive>"
            shown[name] = {"sensitive": True} if hidden else {"sensitive": False, "value": value}
    return shown


def summary_data(mode: Mode, result: Result, resume: str | None, exit_code: int) -> dict[str, Any]:
    """The summary as plain values."""

    def step(one: Step) -> dict[str, Any]:
        return {"address": str(one.address), "operation": one.kind.value}

    counts = counts_of(result.done)
    return {
        "mode": mode.value,
        "ok": result.ok,
        "interrupted": result.interrupted,
        "exit_code": int(exit_code),
        "changes": {
            "add": counts["added"],
            "change": counts["changed"],
            "destroy": counts["destroyed"],
            "forget": counts["forgotten"],
        },
        "failed": [{**step(f.step), "summary": f.diagnostic.summary} for f in result.failed],
        "unknown": [{**step(f.step), "summary": f.diagnostic.summary} for f in result.unknown],
        "in_flight": [step(one) for one in result.cut],
        "skipped": [{**step(one), "because": str(because.address)} for one, because in result.skipped],
        "given_up": [step(one) for one in result.given_up],
        "not_started": [step(one) for one in result.not_started],
        "undone": [{"address": str(one.address)} for one in result.undone],
        "kept": [{"address": str(address), "reason": why} for address, why in result.kept],
        "resume": resume,
    }


@contextmanager
def telling(context: Context, wanted: Telling) -> Iterator[Teller]:
    """A teller, and the file that is to be written besides.

    Raises:
        FlowplanError: the file cannot be opened; nothing was begun.
    """
    file = _open(wanted.json_into) if wanted.json_into else None
    try:
        writes: list[Callable[[str], None]] = [lambda line: output.write(line + "\n")] * wanted.as_json
        if file is not None:
            writes.append(_writer(file, context))
        first = line_of(version_document(__version__, SystemClock().now()))
        for write in writes:
            write(first)
        yield Teller(context, wanted.as_json, tuple(writes))
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def _open(path: str) -> IO[str]:
    try:
        return Path(path).open("w", encoding="ascii")
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(f"{path} cannot be written", f"{error.strerror}. Nothing was begun.")
        ) from None


def _writer(file: IO[str], context: Context) -> Callable[[str], None]:
    """Writes lines to a file that may become full: that is said once, and stops nothing."""
    broken: list[OSError] = []

    def write(line: str) -> None:
        if broken:
            return
        try:
            file.write(line + "\n")
            file.flush()
        except OSError as error:
            broken.append(error)
            words = f"{file.name} cannot be written any more"
            context.warn([Diagnostic.warning(words, f"{error.strerror}. The apply goes on without it.")])

    return write


def told(context: Context, wanted: Telling, work: Callable[[Teller], int]) -> int:
    """Do ``work`` with a teller; what breaks it off ends the stream properly where the output is JSON."""
    with telling(context, wanted) as teller:
        try:
            return work(teller)
        except KeyboardInterrupt:
            if teller.json_to:
                stopped = Diagnostic.error("Interrupted", "Nothing was changed.")
                teller.broken_off(FlowplanError(stopped, exit_code=ExitCode.INTERRUPTED))
            raise
        except FlowplanError as error:
            if not teller.json_to:
                raise
            teller.broken_off(error)
            return error.exit_code
