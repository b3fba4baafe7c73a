"""The walkthrough: choose a runbook, answer it, look at its run, leave it, go on; with the record of any walk."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import psycopg
import pytest

import sdconsole
from sdconsole.errors import Verdict
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.runbooks_screen import RunbooksScreen
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.interfaces.tui.walk_page import SHOWN_ONLY, step_markdown
from sdconsole.interfaces.tui.walk_screen import WalkScreen
from sdconsole.runbook.events import Attested, Checked
from sdconsole.runbook.parse import parse
from sdconsole.runbook.record import read_record
from sdconsole.service import current_operator
from sdconsole.service.walking import load_walk, prepare_walk
from tests.cli.library_runs import settings_of
from tests.cli.walks import check_sums
from tests.conftest import Database
from tests.tui.driving import console, painted, play, proves, until, until_asked, words
from tests.tui.scripted import ScriptedLibrary
from tests.tui.walking import in_view, until_attested

NOTE = """# Note

Looks around.

```toml runbook
schema = 1
id = "note"
params.ticket = { default = "none", help = "the change ticket" }
```

## Look

Read **this** for {ticket}.

```sql check nothing
SELECT 1 WHERE false
```

```sh
touch was-run
```

- [ ] It is quiet
- [ ] It stays quiet

## Look again

```sql check empty
SELECT note FROM public.notes
```
"""


def note_of(folder: Path, text: str = NOTE) -> Path:
    path = folder / "note.md"
    path.write_text(text)
    return path


def begun(app: ConsoleApp, settings: sdconsole.Settings, path: Path, **params: str) -> None:
    app.begin_walk(lambda: prepare_walk(settings, str(path), params, new=True))


@proves("walk-tick", "walk-deny", "walk-on")
def test_a_walk_is_ticked_denied_taken_up_and_its_check_asked_again(tmp_path: Path, pg: Database) -> None:
    settings = settings_of(tmp_path, pg.dsn)
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.notes AS SELECT '\x1b[2Jboo' AS note")

    me = current_operator()

    async def story() -> None:
        library = ScriptedLibrary(settings.state_dir)
        async with console(tmp_path, settings=settings, library=library, size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press("escape")
            begun(app, settings, note_of(tmp_path), ticket="CHG-1")
            await until_attested(pilot, app, "It is quiet")
            assert isinstance(app.screen, WalkScreen)
            left, right = words(app, "#walk-text"), words(app, "#walk-right")
            assert "Read this for CHG-1." in left
            assert "touch was-run" in left
            assert SHOWN_ONLY.strip("*") in left
            assert "✓ check nothing: passed" in right
            assert "? asks you 1 Look you" in right
            await pilot.press("t")
            await until_attested(pilot, app, "It stays quiet")
            assert f"☑ It is quiet {me}, 20" in words(app, "#walk-now")
            await pilot.press("n")
            await until(pilot, lambda: not app.walk.busy)
            await until(pilot, lambda: "error[attestation-declined]" in words(app, "#walk-now"))
            assert app.walk.state.verdict is Verdict.NOT_CONFIRMED

            await pilot.press("r")
            await until_attested(pilot, app, "It is quiet")
            await pilot.press("t")
            await until_attested(pilot, app, "It stays quiet")
            await pilot.press("t")
            await until(pilot, lambda: "empty did not pass" in words(app, "#walk-now"))
            shown = words(app, "#walk-now")
            assert '{"note": "\\u001b[2Jboo"}' in shown
            assert "r ask again" in shown
            with psycopg.connect(pg.dsn, autocommit=True) as connection:
                connection.execute("DELETE FROM public.notes")
            await pilot.press("r")
            await until(pilot, lambda: "✓ walked to its end" in words(app, "#walk-now"))
            walk = app.walk.walk
            assert walk is not None
            assert "runbook.md" in check_sums(walk.folder)
            entries = [entry.event for entry in read_record(walk.folder / "walk.jsonl")]
            told = [(one.text, one.accepted, one.by, one.via) for one in entries if isinstance(one, Attested)]
            assert told == [
                ("It is quiet", True, me, "console"),
                ("It stays quiet", False, me, "console"),
                ("It is quiet", True, me, "console"),
                ("It stays quiet", True, me, "console"),
            ]
            checked = [(one.check, one.passed) for one in entries if isinstance(one, Checked)]
            assert checked[-2:] == [("empty", False), ("empty", True)]
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        assert not (tmp_path / "was-run").exists()

    play(story())


@proves("runbooks", "walk-later")
def test_a_walk_is_left_for_later_offered_at_home_and_goes_on_at_its_step(tmp_path: Path, pg: Database) -> None:
    settings = settings_of(tmp_path, pg.dsn)
    library = ServiceLibrary(settings)

    async def leave() -> str:
        async with console(tmp_path, settings=settings, library=library, size=(100, 30)) as (app, pilot):
            begun(app, settings, note_of(tmp_path, NOTE.replace("public.notes", "pg_class WHERE false")))
            await until_attested(pilot, app, "It is quiet")
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))
            await pilot.press("escape", "q")
            await until_asked(pilot)
            assert "Leave the walk at step 1, Look?" in words(app)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))
            assert app.walk.busy
            await pilot.press("escape", "s")
            await until(pilot, lambda: "Start: a walk is under way; o shows it" in words(app))
            await pilot.press("o")
            await until_attested(pilot, app, "It is quiet")
            await pilot.press("l")
            await until(pilot, lambda: "left for later: step 1 (Look) waits: It is quiet" in words(app, "#walk-now"))
            assert app.walk.walk is not None
            return app.walk.walk.walk_id

    async def take_up(walk_id: str) -> None:
        async with console(tmp_path, settings=settings, library=library) as (app, pilot):
            await until(pilot, lambda: "The runbook note was left at step 1 of 2" in words(app, "#walks"))
            await pilot.press("escape")
            await pilot.click("#open-runbooks")
            await until(pilot, lambda: "left at step 1" in words(app, "#runbooks"))
            assert isinstance(app.screen, RunbooksScreen)
            await pilot.press("enter")
            await until_attested(pilot, app, "It is quiet")
            await pilot.press("q")
            await until_asked(pilot)
            await pilot.click("#yes")
            await until(pilot, lambda: not app.is_running)
            assert app.walk.walk is not None
            assert app.walk.walk.walk_id == walk_id
        state = load_walk(settings, walk_id)
        assert state.verdict is Verdict.HELD
        assert [step.status for step in state.steps] == ["running", "pending"]

    async def everything() -> None:
        await take_up(await leave())

    play(everything())


NAUGHTY = "\x1b[2J\x1b]0;owned\x07\u202e\u200b[/nope][bold]{0}"


def test_no_text_of_a_runbook_drives_the_terminal(tmp_path: Path, pg: Database) -> None:
    settings = settings_of(tmp_path, pg.dsn)
    text = NOTE.replace("It is quiet", f"It is {NAUGHTY}").replace("Looks around", NAUGHTY).replace("**this**", NAUGHTY)
    path = note_of(tmp_path, text.replace("## Look\n", f"## Look {NAUGHTY}\n"))

    def harmless(shown: str) -> None:
        bad = [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"]
        assert not bad

    step = parse(path.read_text())[0].steps[0]
    harmless(step_markdown(step, {"ticket": NAUGHTY}))

    async def story() -> None:
        async with console(tmp_path, settings=settings, library=ServiceLibrary(settings), size=(150, 45)) as (
            app,
            pilot,
        ):
            begun(app, settings, path, ticket=NAUGHTY)
            await until(pilot, lambda: in_view(app) and "so it is" in words(app, "#walk-now"))
            assert "\\x1b[2J" in words(app, "#walk-text")
            assert "[/nope]" in words(app, "#walk-now")
            harmless(painted(app))
            await pilot.press("l")
            await until(pilot, lambda: "left for later" in words(app, "#walk-now"))
            harmless(painted(app))
            await pilot.press("escape", "o")
            await until(pilot, lambda: "left at step" in words(app))
            harmless(painted(app))

    play(story())


@proves("walk-words")
@pytest.mark.parametrize("size", [(40, 12), (80, 24), (300, 80)])
def test_the_walk_fits_every_terminal(tmp_path: Path, pg: Database, size: tuple[int, int]) -> None:
    settings = settings_of(tmp_path, pg.dsn)

    async def story() -> None:
        async with console(tmp_path, settings=settings, library=ServiceLibrary(settings), size=size) as (app, pilot):
            begun(app, settings, note_of(tmp_path))
            await until_attested(pilot, app, "It is quiet")
            if size[1] < 20:
                assert "Read this" not in words(app)
                await pilot.press("m")
                await until(pilot, lambda: "Read this for none." in words(app))
            else:
                assert "Read this for none." in words(app, "#walk-text")
                await pilot.press("m")
                await pilot.pause()
                assert not app.screen.has_class("-words")
            assert "q Quit" in words(app, "ActionBar")

    play(story())
