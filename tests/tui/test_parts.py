"""The console's small parts: bars, figures, feed, gate, outlook, terminal, filters."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from rich.console import Console
from textual.color import Color

from sdconsole.core.bus import Bus
from sdconsole.core.events import Progress, Record, RunFinished, RunStarted, StageStarted
from sdconsole.core.gates import Answer
from sdconsole.core.model import RunKind, StageName, StageStatus
from sdconsole.core.projection import RunState, StageState
from sdconsole.core.stage import Cancellation
from sdconsole.errors import Interrupted, Verdict
from sdconsole.interfaces.terminal import Terminal, look_at_terminal
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.bars import Bar, Spark
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.line_filters import AsciiFilter, HarmlessFilter, to_ascii
from sdconsole.interfaces.tui.look import DARK, LIGHT, look_of
from sdconsole.interfaces.tui.outlook import remaining_seconds
from sdconsole.interfaces.tui.stages_panel import TaskBars
from sdconsole.interfaces.tui.top_bar import TopBar
from sdconsole.service.attended import AttendedGate
from tests.tui.driving import terminal
from tests.tui.scripted import cutover_question

LOAD, VERIFY = StageName.LOAD, StageName.VERIFY


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (0.0, "0 ms"),
        (0.041, "41 ms"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (83, "1:23"),
        (3599.7, "1:00:00"),
        (6100, "1:41:40"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert figures.duration(seconds) == shown


def test_amounts_and_rates() -> None:
    assert figures.rate(118_230, "rows") == "118k rows/s"
    assert figures.rate(2_345, "rows") == "2.3k rows/s"
    assert figures.rate(999_700, "rows") == "1.0M rows/s"
    assert figures.rate(42_000_000, "bytes") == "42.0 MB/s"
    assert figures.rate(None, "rows") == ""
    assert figures.done_of_total(Progress(LOAD, "t", 12_340, 24_918)) == "12,340 of 24,918"
    assert figures.done_of_total(Progress(LOAD, "t", 83_100_000, None, "bytes")) == "83.1 MB"
    assert figures.share(Progress(LOAD, "t", 5, None)) is None
    assert figures.share(Progress(LOAD, "t", 0, 0)) == 1.0
    assert figures.share(Progress(LOAD, "t", 30, 20)) == 1.0


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_bar_is_as_wide_as_it_should_be_and_full_only_at_the_end(ascii_only: bool) -> None:
    for width in (4, 11, 60):
        for share in (None, 0.0, 0.004, 0.5, 0.999, 1.0):
            assert Bar(share, "green", "grey50", ascii_only).text(width).cell_len == width
    full = "#" if ascii_only else "━"
    assert Bar(1.0, "", "", ascii_only).text(10).plain == full * 10
    assert Bar(0.999, "", "", ascii_only).text(10).plain != full * 10
    assert Spark([0, 5, 10], "", ascii_only).text(2).cell_len == 2


def test_too_many_tasks_keep_those_in_work() -> None:
    tasks = {f"t{n}": Progress(LOAD, f"t{n}", 10 if n < 8 else 3, 10) for n in range(10)}
    bars = TaskBars(StageState(LOAD, StageStatus.RUNNING, tasks=tasks), look_of(DARK), limit=3)
    assert [task.task for task in bars.shown] == ["t7", "t8", "t9"]


@pytest.mark.parametrize("width", range(12, 130, 7))
def test_the_top_bar_is_one_line_and_never_loses_production(width: int) -> None:
    bar = TopBar(
        look=look_of(LIGHT),
        target="warehouse",
        live_schema="servicedesk",
        production=True,
        activity="waits for you",
        activity_style="bold",
        run_id="r-20261121-031500-7f3a",
        elapsed_seconds=83.0,
        remaining_seconds=45.0,
    )
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(bar)
    line = out.getvalue().rstrip("\n")
    assert "\n" not in line
    assert len(line) <= width
    assert "PRODUCTION" in line
    if width >= 100:
        assert "r-20261121-031500-7f3a  1:23  about 0:45 left" in line


def record(seq: int, event: object) -> Record:
    return Record(seq, "r-1", "2026-11-21T03:15:00.000Z", float(seq), event)  # type: ignore[arg-type]


STARTED = RunStarted(
    RunKind.DEPLOY, "complete", (LOAD, VERIFY), "/x.db", "embedded", "servicedesk", "ada", "desk", 1, "0"
)


def test_the_feed_announces_once_until_it_was_taken_and_loses_nothing() -> None:
    announced: list[int] = []
    now = [100.0]
    feed = Feed(lambda: announced.append(1), monotonic=lambda: now[0])
    feed(record(1, STARTED))
    feed(record(2, StageStarted(LOAD)))
    for seq in range(3, 1_003):
        feed(record(seq, Progress(LOAD, "tickets", seq, 2_000)))
    assert len(announced) == 1
    now[0] += 2.5
    assert feed.elapsed_seconds == 1002.0 + 2.5
    state, entries = feed.take()
    assert state.seq == 1002
    assert [entry.origin for entry in entries] == ["run", "load"]
    feed(record(1003, RunFinished(Verdict.OK, 3.0)))
    assert len(announced) == 2
    assert [entry.text for entry in feed.take()[1]] == ["ended: ok"]
    assert feed.elapsed_seconds == 1003.0


def test_an_attended_question_waits_until_it_is_answered_in_the_folder_or_nobody_is_there() -> None:
    cancellation = Cancellation()
    gate = AttendedGate(cancellation)
    answers: list[Answer] = []

    def asked(release: Callable[[], object]) -> Answer:
        thread = threading.Thread(target=lambda: answers.append(gate.ask(cutover_question())))
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        while thread.is_alive():  # the thread may not have come as far as waiting yet
            release()
            thread.join(0.01)
        return answers.pop()

    assert asked(gate.withdraw).held
    assert asked(gate.leave_alone).held
    assert gate.ask(cutover_question()).held
    gate = AttendedGate(cancellation)
    assert asked(lambda: cancellation.cancel("enough")).held
    with pytest.raises(Interrupted):
        gate.ask(cutover_question())


def test_a_failing_screen_does_not_stop_the_run() -> None:
    def broken() -> None:
        raise RuntimeError("the screen is gone")

    kept: list[Record] = []
    feed = Feed(broken)
    bus = Bus("r-1", journal=kept.append, views=(feed,), clock=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    bus.publish(STARTED)
    bus.publish(StageStarted(LOAD))
    assert [entry.event.type for entry in kept] == ["run_started", "log", "stage_started"]


def test_the_outlook_needs_every_stage_that_is_left() -> None:
    running = StageState(LOAD, StageStatus.RUNNING, started_seconds=10.0)
    state = RunState(stages=(StageState(StageName.CLEAN, StageStatus.PASSED), running, StageState(VERIFY)))
    assert remaining_seconds(state, {}, 12.0) is None
    assert remaining_seconds(state, {LOAD: 5.0}, 12.0) is None
    assert remaining_seconds(state, {LOAD: 5.0, VERIFY: 2.0}, 12.0) == 5.0
    assert remaining_seconds(state, {LOAD: 5.0, VERIFY: 2.0}, 40.0) == 2.0
    slow = StageState(
        LOAD,
        StageStatus.RUNNING,
        started_seconds=10.0,
        tasks={"tickets": Progress(LOAD, "tickets", 1, 2, "rows", 1.0, 30.0)},
    )
    assert remaining_seconds(RunState(stages=(slow,)), {LOAD: 5.0}, 12.0) == 30.0
    waiting = RunState(stages=(running,), waiting=cutover_question())
    assert remaining_seconds(waiting, {LOAD: 5.0}, 12.0) is None


def test_line_filters_keep_the_width_and_drop_what_has_none() -> None:
    from rich.segment import Segment

    black = Color.parse("black")
    dirty = [Segment("a\x1b[2Jb\u202ec\u200b"), Segment("clean")]
    assert [segment.text for segment in HarmlessFilter().apply(dirty, black)] == ["a[2Jbc", "clean"]
    assert AsciiFilter().apply([Segment("─│✓é日…")], black)[0].text == "-|+e??~"
    assert to_ascii("plain") == "plain"


class Stream(io.StringIO):
    def __init__(self, is_terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return super().isatty() or self._is_terminal


def looked_at(encoding: str = "utf-8", *, stdin: bool = True, stdout: bool = True, **environment: str) -> Terminal:
    environment = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"} | environment
    return look_at_terminal(environment, stdin=Stream(stdin), stdout=Stream(stdout), stderr=Stream(True, encoding))


def test_the_terminal_says_why_there_is_no_console() -> None:
    assert looked_at().why_no_console == ""
    assert looked_at(stdin=False).why_no_console == "standard input is not a terminal"
    assert looked_at(stdout=False).why_no_console == "standard output is not a terminal"
    assert looked_at(TERM="dumb").why_no_console == "TERM is dumb or not set"
    assert looked_at(TERM="").why_no_console == "TERM is dumb or not set"
    assert looked_at(COLUMNS="39").why_no_console == "the terminal has 39x40, the console needs 40x12"


def test_colour_and_unicode_follow_the_environment() -> None:
    assert looked_at().colour
    assert looked_at().unicode
    assert not looked_at(NO_COLOR="1").colour
    assert looked_at(NO_COLOR="").colour
    assert not looked_at("iso8859-1").unicode
    assert not looked_at("ascii").unicode
    assert not looked_at(LC_ALL="C").unicode
    assert not looked_at(LANG="de_DE.ISO-8859-1").unicode
    assert looked_at(LANG="de_DE.utf8@euro").unicode
    assert looked_at(LC_ALL="C.UTF-8", LANG="C").unicode
    assert not looked_at(TERM="linux").unicode
    assert not looked_at(TERM="dumb").can_redraw
    assert looked_at(stdout=False).can_ask
    assert terminal().why_no_console == ""


def test_a_closed_stream_is_no_terminal() -> None:
    closed = Stream(True)
    closed.close()
    assert not look_at_terminal({"TERM": "xterm"}, stdin=closed, stdout=closed, stderr=closed).input_is_terminal
