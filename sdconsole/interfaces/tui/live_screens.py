"""What readers get now: the dashboards' metrics with their thresholds, and the watch after a cutover."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.metrics_panel import metrics_table
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.service.dashboards import Figures
from sdconsole.service.upkeep import TargetLook

LOOKS_KEPT = 40


class DashboardsScreen(SideScreen):
    place: ClassVar[Place] = "dashboards"
    heading = " Dashboards: what readers see"
    command = "sdconsole metrics run"

    def show(self, found: Figures) -> None:
        self._found = found
        version = safe(found.live_version or "no version is live", style=self.look.dim, limit=80)
        self.say(Group(version, Text(), metrics_table(found.live, self.look, width=self.size.width)))

    def on_resize(self) -> None:
        if hasattr(self, "_found"):
            self.show(self._found)


class AfterScreen(SideScreen):
    """One line for each look; the newest on top. `switch_seconds` is how long the last switch took: the way back is
    the same switch."""

    place: ClassVar[Place] = "after"
    heading = " After the cutover: what readers get"

    def __init__(self, look: Look, *, before: str | None, switch_seconds: float | None) -> None:
        super().__init__(look)
        self.before = before
        self._switch_seconds = switch_seconds
        self._looks: deque[Text] = deque(maxlen=LOOKS_KEPT)

    def show(self, seen: TargetLook, found: Figures) -> None:
        failed = [result for result in found.live if result.error]
        slowest = max((result.duration_seconds for result in found.live), default=0.0)
        well = not failed and seen.drift is None
        line = Text.assemble((f"{datetime.now().astimezone():%H:%M:%S}  ", self.look.dim))
        line.append("well  " if well else "LOOK  ", style=self.look.ok if well else f"bold {self.look.bad}")
        line.append_text(safe(f"{seen.version or 'nothing'}  {seen.rows:,} rows  ", limit=120))
        line.append(f"{len(found.live) - len(failed)} of {len(found.live)} queries answer, ")
        line.append(f"slowest {figures.duration(slowest)}")
        for result in failed:
            line.append_text(safe(f"\n          {result.metric.id} {result.error}", style=self.look.bad, limit=300))
        if seen.drift is not None:
            line.append_text(safe(f"\n          {seen.drift}", style=self.look.bad, limit=300))
        self._looks.appendleft(line)
        self.say(Group(self._way_back(seen), Text(), *self._looks))

    def _way_back(self, seen: TargetLook) -> RenderableType:
        if self.before is None:
            return Text("there is no version to go back to", style=self.look.warn)
        took = (
            "" if self._switch_seconds is None else f"; the switch here took {figures.duration(self._switch_seconds)}"
        )
        return Text.assemble(
            ("b", f"bold {self.look.accent}"),
            safe(f" gives readers {self.before} again: one transaction, the same switch{took}", limit=300),
        )
