"""One registry of actions feeds keys, footer, palette and help; a key that is not possible says why."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from sdconsole.config import Settings, TargetSettings
from sdconsole.core.events import RunStarted
from sdconsole.core.model import Mode, RunKind, StageName
from sdconsole.core.plan import deploy_plan, stage_plan
from sdconsole.core.projection import RunState
from sdconsole.interfaces.tui.action import Action
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.actions import ACTIONS, EVERYWHERE, action, available_here
from sdconsole.interfaces.tui.commands import deploy_command, run_command
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.situation import Situation
from tests.tui.driving import begin, console, painted, play, proves, until, until_asked, until_ended, words
from tests.tui.scripted import Hold, ScriptedLibrary, ScriptedRun


def test_keys_and_ids_are_unique_in_each_place() -> None:
    for place in EVERYWHERE:
        here = available_here(Situation(place=place))
        keys = Counter(key for entry in here for key in entry.key.split(","))
        assert keys.most_common(1)[0][1] == 1
    assert len({entry.id for entry in ACTIONS}) == len(ACTIONS)
    for entry in ACTIONS:
        assert action(entry.id) is entry
        assert entry.help


def test_every_action_can_be_done_and_every_reason_is_a_sentence(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path) as (app, _):
            for entry in ACTIONS:
                assert entry.id in app._deeds or entry.id.startswith("tab-")

    play(story())
    for entry in ACTIONS:
        for busy in (True, False):
            reason = entry.why_not(Situation(place="run", busy=busy))
            assert reason == "" or len(reason.split()) > 1


Proof = ast.FunctionDef | ast.AsyncFunctionDef


def proofs() -> dict[str, list[Proof]]:
    """The tests of this folder, and their parts, that say which action they prove."""
    found: dict[str, list[Proof]] = {}
    for path in Path(__file__).parent.glob("*.py"):
        for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(test, Proof):
                continue
            for mark in test.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "proves":
                    for word in mark.args:
                        found.setdefault(ast.literal_eval(word), []).append(test)
    return found


def pressed(test: Proof) -> set[str]:
    """The keys that a test presses, one by one or from a list or a word that it goes through."""
    keys: set[str] = set()
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pilot.press":
            keys |= {str(word.value) for word in ast.walk(node) if isinstance(word, ast.Constant)}
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Constant):
            keys |= set(str(node.iter.value))
    return keys


@pytest.mark.parametrize("entry", ACTIONS, ids=lambda entry: entry.id)
def test_every_action_has_a_test_that_does_it_with_its_key(entry: Action) -> None:
    tests = proofs().get(entry.id, [])
    assert tests, f"no test says that it proves the action {entry.id}"
    for test in tests:
        assert pressed(test) & set(entry.key.split(",")), f"{test.name} never presses {entry.key}"
        assert any(isinstance(node, ast.Assert) for node in ast.walk(test))


def test_every_proof_is_of_an_action_that_exists() -> None:
    assert set(proofs()) == {entry.id for entry in ACTIONS}


def test_help_and_palette_list_the_registry_with_the_reasons(tmp_path: Path) -> None:
    async def story() -> None:
        hold = Hold()
        run = ScriptedRun(tmp_path, work={StageName.LOAD: hold})
        async with console(tmp_path, run=run, size=(120, 120)) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await pilot.press("question_mark")
            await until(pilot, lambda: "Keys" in painted(app))
            shown = words(app)
            for entry in available_here(app.situation):
                assert f"{entry.shown_key} {entry.label}" in shown
                assert entry.command in shown
            assert "not now: a run is under way" in shown
            await pilot.press("question_mark")
            titles = [command.title for command in app.get_system_commands(app.screen)]
            assert "Roll back (not now: a run is under way)" in titles
            assert "Copy command" in titles
            hold.released.set()
            await until_asked(pilot)

    play(story())


@pytest.mark.parametrize("width", [40, 80])
def test_the_footer_always_has_room_for_help_and_quit(tmp_path: Path, width: int) -> None:
    async def story() -> None:
        hold = Hold()
        run = ScriptedRun(tmp_path, work={StageName.LOAD: hold})
        async with console(tmp_path, run=run, size=(width, 24)) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await until(pilot, lambda: "? Help q Quit" in words(app, "ActionBar"))
            footer = painted(app).splitlines()[-1]
            assert len(footer) == width
            assert "p Pause run" in footer
            assert ("y Copy command" in footer) == (width >= 80)
            hold.released.set()
            await until_asked(pilot)

    play(story())


def test_a_click_in_the_footer_does_what_its_key_does(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path, expected="")) as (app, pilot):
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            column = painted(app).splitlines()[-1].index("Home")
            await pilot.click(ActionBar, offset=(column, 0))
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))

    play(story())


@proves("copy")
def test_y_copies_the_command_that_does_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path, library=ScriptedLibrary(tmp_path)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press("escape", "y")
            assert app.clipboard == "sdconsole deploy SOURCE"
            begin(app, ScriptedRun(tmp_path, expected="", source="/data/the export.db"))
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            await pilot.press("y")
            assert app.clipboard == "sdconsole deploy '/data/the export.db'"
            await until(pilot, lambda: "Copied" in words(app))

    play(story())


def started(stages: tuple[StageName, ...], *, mode: Mode = Mode.COMPLETE, kind: RunKind = RunKind.DEPLOY) -> RunState:
    event = RunStarted(kind, mode, stages, "/data/x.db", "embedded", "servicedesk", "ada", "desk", 1, "0")
    return RunState(started=event)


def test_the_command_has_what_differs_from_the_defaults(tmp_path: Path) -> None:
    plain = Settings(state_dir=tmp_path)
    whole = deploy_plan(Mode.COMPLETE)
    assert run_command(plain, started(whole.stages)) == "sdconsole deploy /data/x.db"
    until_load = whole.until(StageName.LOAD).stages
    assert run_command(plain, started(until_load)) == "sdconsole deploy /data/x.db --until load"
    simple = deploy_plan(Mode.SIMPLE).stages
    assert run_command(plain, started(simple, mode=Mode.SIMPLE)) == "sdconsole deploy /data/x.db --mode simple"
    assert run_command(plain, started(stage_plan(StageName.CLEAN).stages)) == "sdconsole clean /data/x.db"
    rollback = started((StageName.ROLLBACK, StageName.VERIFY), kind=RunKind.ROLLBACK)
    assert run_command(plain, rollback) == "sdconsole rollback"
    assert run_command(plain, RunState()) == ""

    named = Settings(state_dir=tmp_path, target="prod", targets={"prod": TargetSettings(dsn="host=db")})
    assert deploy_command(named, "/x y.db", Mode.CANARY) == "sdconsole deploy '/x y.db' --mode canary --target prod"
    careful = Settings(state_dir=tmp_path, min_quality=92.5)
    assert deploy_command(careful, "x.db", Mode.COMPLETE) == "sdconsole deploy x.db --min-quality 92.5"
    demo = (tmp_path / "demo" / "servicedesk-baseline-1.db").absolute()
    event = RunStarted(RunKind.DEPLOY, "complete", whole.stages, str(demo), "embedded", "s", "ada", "desk", 1, "0")
    assert run_command(plain, RunState(started=event)) == "sdconsole demo"


def test_no_command_holds_a_password(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, dsn="postgresql://ada:s3cret@db.example/servicedesk")
    command = deploy_command(settings, "x.db", Mode.COMPLETE)
    assert "s3cret" not in command
    assert "db.example" in command
