"""Every check of the run, the ones that need a look first."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from sdconsole.core.events import CheckResult
from sdconsole.core.model import CheckStatus
from sdconsole.core.projection import RunState
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.look import Look

SHOWN = 300
_WITH_STAGE = 70
_ORDER = {CheckStatus.FAIL: 0, CheckStatus.WARN: 1, CheckStatus.PASS: 2, CheckStatus.INFO: 2}


def all_checks(state: RunState) -> tuple[CheckResult, ...]:
    """Failures, then warnings, then the rest, each in the order they came."""
    checks = [check for stage in state.stages for check in stage.checks]
    return tuple(sorted(checks, key=lambda check: _ORDER[check.status]))


@dataclass(frozen=True, slots=True)
class ChecksPanel:
    checks: tuple[CheckResult, ...]
    look: Look

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.checks:
            yield Text("no checks yet", style=self.look.dim)
            return
        yield self._counts()
        yield Text()
        wide = options.max_width >= _WITH_STAGE
        table = Table.grid(padding=(0, 1), expand=True)
        for width in (1, 4, *([9] if wide else [])):
            table.add_column(width=width, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=4, overflow="fold")
        table.add_column(ratio=9, overflow="fold")
        for check in self.checks[:SHOWN]:
            status = Text(check.status, style=self.look.status_style(check.status))
            stage = [Text(check.stage, style=self.look.dim)] if wide else []
            name = safe(check.check, limit=80)
            table.add_row(self.look.glyph(check.status), status, *stage, name, self._detail(check))
        yield table
        if len(self.checks) > SHOWN:
            yield Text(f"and {len(self.checks) - SHOWN:,} more in the journal", style=self.look.dim)

    def _counts(self) -> Text:
        counts = {status: sum(check.status is status for check in self.checks) for status in CheckStatus}
        words = [
            (f"{counts[CheckStatus.PASS]} passed", self.look.ok),
            (f"{counts[CheckStatus.WARN]} warned", self.look.warn if counts[CheckStatus.WARN] else self.look.dim),
            (f"{counts[CheckStatus.FAIL]} failed", self.look.bad if counts[CheckStatus.FAIL] else self.look.dim),
        ]
        return Text("   ").join([Text(text, style=style) for text, style in words])

    def _detail(self, check: CheckResult) -> Text:
        text = safe(check.detail, limit=600)
        if check.measured and check.measured not in check.detail:
            limit = f", limit {check.threshold}" if check.threshold else ""
            text.append_text(safe(f"  {check.measured}{limit}", style=self.look.dim, limit=120))
        if check.remedy and check.status in (CheckStatus.WARN, CheckStatus.FAIL):
            text.append("\n").append_text(safe(check.remedy, style=self.look.accent, limit=400))
        return text
