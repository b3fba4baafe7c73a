"""Dates that can be read either way: each column with its evidence under both readings, and the operator's answer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.service.reviewing import DateQuestion

_WORDS = {"DMY": "day first", "MDY": "month first", "YMD": "year first", "": "open"}


class DateReview(SideScreen):
    """`answers` are those given on this screen, by TABLE.COLUMN."""

    place: ClassVar[Place] = "dates"
    heading = " Dates that can be read either way"

    def __init__(self, look: Look, run_id: str) -> None:
        super().__init__(look)
        self.run_id = run_id
        self.answers: dict[str, str] = {}
        self._questions: tuple[DateQuestion, ...] = ()

    def compose_table(self) -> ComposeResult:
        yield DataTable[Text](id="columns", cursor_type="row")

    @property
    def given(self) -> Mapping[str, str]:
        return dict(self.answers)

    @property
    def command(self) -> str:
        answers = [word for place, order in self.answers.items() for word in ("--date-format", f"{place}={order}")]
        return shlex.join(["sdconsole", "resume", self.run_id, *answers])

    def show(self, questions: tuple[DateQuestion, ...]) -> None:
        self._questions = questions
        if not questions:
            self.say(Text("no column of this export leaves the order of day and month open", style=self.look.dim))
        self._draw()

    def answer(self, order: str) -> None:
        """The chosen column is written so; the cursor goes to the next one."""
        question = self._chosen
        if question is not None:
            self.answers[question.place] = order
            table = self.query_one("#columns", DataTable)
            table.move_cursor(row=min(table.cursor_row + 1, len(self._questions) - 1))
            self._draw()

    @property
    def _chosen(self) -> DateQuestion | None:
        row = self.query_one("#columns", DataTable).cursor_row
        return self._questions[row] if 0 <= row < len(self._questions) else None

    def _draw(self) -> None:
        rows = []
        for question in self._questions:
            said = self.answers.get(question.place, "")
            order = said or (question.answer.value if question.answer else "")
            style = self.look.ok if said else self.look.dim if order else f"bold {self.look.warn}"
            cells = [safe(question.place, limit=60), Text(_WORDS[order], style=style)]
            counts = (question.only_day_first, question.only_month_first, question.either)
            rows.append([*cells, *(Text(f"{count:,}", justify="right") for count in counts)])
        self.fill(("column", "written", "only day first", "only month first", "either way"), rows)
        self._show_evidence()

    @on(DataTable.RowHighlighted, "#columns")
    def _show_evidence(self) -> None:
        question = self._chosen
        if question is None:
            return
        table = Table.grid(padding=(0, 3))
        dim = self.look.dim
        table.add_row(Text("as it stands", style=dim), Text("day first", style=dim), Text("month first", style=dim))
        for reading in question.readings:
            table.add_row(safe(reading.value, limit=40), Text(reading.day_first), Text(reading.month_first))
        left = question.only_day_first + question.only_month_first
        proof = f"{left:,} values of this column can only be read one way" if left else "no value of this column tells"
        self.say(Group(safe(question.place, style="bold", limit=80), Text(proof, style=dim), Text(), table))
