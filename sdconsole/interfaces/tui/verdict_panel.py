"""How the run ended, in one place: the verdict or the error in its shape, and the commands that come next."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sdconsole.core.events import ErrorReport
from sdconsole.core.model import RunKind
from sdconsole.core.projection import RunState
from sdconsole.errors import SdconsoleError, Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.look import Look

_INDENTED = 50
_VERBS = {RunKind.DEPLOY: "deployed", RunKind.ROLLBACK: "rolled back to"}


def error_report(error: BaseException) -> ErrorReport:
    """The four answers of an error that ended a run before or outside its stages."""
    if isinstance(error, SdconsoleError):
        state = error.state or "nothing was changed"
        return ErrorReport(error.slug, error.message, error.cause, state, error.next_step, error.verdict)
    return ErrorReport(
        "internal",
        "sdconsole stopped on an error that it does not know",
        f"{type(error).__name__}: {error}",
        "the database's own ledger still tells which version is live",
        "sdconsole status     and report this error",
        Verdict.FAILED,
    )


@dataclass(frozen=True, slots=True)
class ErrorPanel:
    """An error in the shape that the command line prints."""

    error: ErrorReport
    look: Look
    run: str = ""
    log: str = ""
    commands: tuple[str, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        look, error = self.look, self.error
        interrupted = error.verdict in (Verdict.INTERRUPTED, Verdict.TERMINATED)
        title = Text.assemble(
            (f"error[{safe(error.slug, limit=40).plain}]: ", f"bold {look.warn if interrupted else look.bad}")
        )
        yield title.append_text(safe(error.message, limit=500))
        rows = [("cause", error.cause), ("state", error.state), ("next", error.next_step)]
        yield _facts(
            [*rows, ("run", self.run), ("log", self.log), *_numbered("also", self.commands)], look, options.max_width
        )


@dataclass(frozen=True, slots=True)
class VerdictPanel:
    """`commands` are command lines that fit the end of this run, the first one first."""

    state: RunState
    look: Look
    log: str
    commands: tuple[str, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        finished = self.state.finished
        if finished is None:
            return
        if finished.error is not None:
            yield ErrorPanel(finished.error, self.look, self.state.run_id, self.log, self.commands)
            return
        yield Group(self._title(), _facts(self._rows(), self.look, options.max_width))

    def _title(self) -> RenderableType:
        look, state = self.look, self.state
        if state.verdict is Verdict.HELD:
            return Text(
                f"{'?' if look.ascii else '◆'} held: nothing is switched until somebody approves",
                style=f"bold {look.warn}",
            )
        if state.verdict is not Verdict.OK:
            return Text(f"ended: {state.verdict}", style=f"bold {look.warn}")
        mark = "+" if look.ascii else "✓"
        if not state.live_changes:
            return Text(f"{mark} finished; what readers see was not changed", style=f"bold {look.ok}")
        change = state.live_changes[-1]
        kind = state.started.kind if state.started is not None else RunKind.DEPLOY
        verb = _VERBS.get(kind, "switched to")
        return safe(f"{mark} {verb} {change.to_version}", style=f"bold {look.ok}", limit=120)

    def _rows(self) -> list[tuple[str, str]]:
        state = self.state
        rows: list[tuple[str, str]] = []
        if state.waiting is not None and state.verdict is Verdict.HELD:
            rows += [("waits", state.waiting.prompt), ("here", "r asks again in this console")]
        if state.live_changes:
            change = state.live_changes[-1]
            before = change.from_version or "nothing"
            rows.append(("readers", f"{change.live_schema} switched in {figures.duration(change.duration_seconds)}"))
            rows.append(("before", before))
        score = state.scores.get("after") or state.scores.get("before")
        if score is not None:
            rows.append(("score", f"{score.total:.2f} {score.grade}"))
        rows.append(("took", figures.duration(state.elapsed_seconds)))
        return [*rows, ("run", state.run_id), *_numbered("next", self.commands)]


def _numbered(label: str, commands: tuple[str, ...]) -> list[tuple[str, str]]:
    """The label stands at the first line only."""
    return [(label if index == 0 else "", command) for index, command in enumerate(commands)]


def _facts(rows: list[tuple[str, str]], look: Look, width: int) -> Table:
    indent = "  " if width >= _INDENTED else ""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=8 + len(indent), no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for label, value in rows:
        if value:
            name = f"{indent}{label}:" if label else ""
            table.add_row(Text(name, style=look.dim), safe(value, limit=1_000, multiline=True))
    return table
