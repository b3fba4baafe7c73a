"""What README, CONTRIBUTING and the runbooks say about commands, options, files and exit codes is true."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sdconsole.analytics.catalog import load_catalog
from sdconsole.core.model import Mode, StageName
from sdconsole.core.plan import DEPLOY_STAGES
from sdconsole.interfaces.cli.app import app
from sdconsole.interfaces.cli.examples import EXAMPLES, commands
from sdconsole.interfaces.cli.next_steps import BY_ITSELF, NEXT, WRONG
from sdconsole.interfaces.cli.run_commands import TARGET_STAGES
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.observe.families import FAMILIES
from sdconsole.runbook.library import shipped, shipped_folder
from sdconsole.runbook.lint import lint
from sdconsole.runbook.parse import read_text
from tests import reference
from tests.reference_commands import command_tree, commands_page
from tests.reference_lists import event_types, pages

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "runbooks" / "reference").glob("*.md") if path.stem != "commands"),
    *sorted((ROOT / "runbooks").glob("*.md")),
]
COMMAND = re.compile(r"(?:^|\$\(|&& \.venv/bin/|`)(sdconsole(?: [^\n`)#&]*)?)", re.MULTILINE)


def documented_commands() -> list[str]:
    found = set()
    for document in DOCUMENTS:
        text = re.sub(r"^    sdconsole\.toml.*$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= {match.strip() for match in COMMAND.findall(text.replace("\n    ", "\n"))}
    return sorted(command for command in found if command and command.split()[0] == "sdconsole")


@cache
def help_of(*words: str) -> str:
    environment = {"COLUMNS": "200", "HOME": "/nonexistent", "NO_COLOR": "1", "TERM": "dumb"}
    ended = CliRunner().invoke(app, [*words, "--help"], env=environment, terminal_width=200)
    assert ended.exit_code == 0, ended.output
    return ended.output


@cache
def groups() -> frozenset[str]:
    words = "alerts backups config contract dashboards db metrics observe quarantine rules runbook runs versions"
    return frozenset(words.split())


def test_documents_name_commands_at_all() -> None:
    commands = documented_commands()
    assert "sdconsole demo" in commands
    assert len(commands) > 20


@pytest.mark.parametrize("command", documented_commands())
def test_a_documented_command_and_its_options_exist(command: str) -> None:
    words = shlex.split(command)[1:]
    if not words:
        return
    path = words[:2] if words[0] in groups() else words[:1]
    text = help_of(*path)
    for word in words[len(path) :]:
        if word.startswith("--"):
            assert word.split("=")[0] in text, f"{command}: no option {word}"


def test_the_readme_has_every_command_in_its_table_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("| what for | commands |") :].split("\n\n")[0]
    named = re.findall(r"`([a-z -]+)`", table)
    assert sorted(named) == sorted(words for words, _ in commands(app))


def test_the_exit_code_table_is_the_enumeration() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("| code | meaning |") :].split("\n\n")[0]
    numbers = {int(number) for row in table.splitlines()[2:] for number in re.findall(r"\d+", row.split("|")[1])}
    assert numbers == {int(code) for code in ExitCode}


def test_the_mode_table_names_every_mode() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{mode}` |" in readme for mode in Mode)


def test_files_that_documents_link_to_exist() -> None:
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_rooms_that_contributing_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = re.findall(r"`([a-z_/]+(?:/|\.py|\.toml))`", text)
    assert len(rooms) > 15
    for room in rooms:
        assert (ROOT / "sdconsole" / room).exists() or (ROOT / room).exists(), room


def test_the_readme_has_the_two_one_line_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("    python3 -m venv")]
    assert [line.rsplit("/", 1)[-1] for line in lines] == ["sdconsole demo", "pytest -n 2 --dist loadfile"]


NO_WHOLE_COMMANDS = {"sdconsole deploy --output jsonl"}
"""Named in a sentence, with the rest left out."""
REMAKE = "run: python -m tests.reference"


def test_every_error_slug_is_documented_and_every_documented_one_exists() -> None:
    written = set(
        re.findall(r"^\| `([a-z0-9-]+)` \| (\d+) \|", read("runbooks/reference/errors.md"), flags=re.MULTILINE)
    )
    found = {(one.slug, str(one.code)) for one in reference.slugs()}
    assert len(found) > 200
    assert written == found, f"{sorted(written ^ found)}; {REMAKE}"


def test_every_setting_is_documented_with_its_default() -> None:
    assert read("runbooks/reference/settings.md") == reference.settings_page(), REMAKE


def test_every_event_figure_and_series_is_documented() -> None:
    for name, page in pages().items():
        assert read(f"runbooks/reference/{name}") == page, REMAKE
    journal = read("runbooks/reference/events.md")
    for name, kind in event_types().items():
        assert f"| `{name}` |" in journal
        assert kind.__doc__, kind
        assert not kind.__doc__.startswith(f"{kind.__name__}("), f"{kind.__name__} has no sentence"
    assert {one.id for one in load_catalog().metrics} == set(
        re.findall(r"^\| `([^`]+)` \|", read("runbooks/reference/metrics.md"), flags=re.MULTILINE)
    )
    series = set(re.findall(r"^\| `([^`]+)` \|", read("runbooks/reference/series.md"), flags=re.MULTILINE))
    assert series == {one.name for one in FAMILIES}


def test_every_command_and_option_is_documented() -> None:
    assert read("runbooks/reference/commands.md") == commands_page(), REMAKE
    tree = command_tree()
    assert set(tree) == {words for words, _ in commands(app)}
    for words, command in tree.items():
        silent = [one.name for one in command.params if one.name not in ("help", "context") and not one.help]
        assert not silent, f"{words}: {silent} have no help"


@pytest.mark.parametrize("line", documented_commands())
def test_a_documented_command_parses_with_its_values(line: str) -> None:
    words = shlex.split(line.split(" \\|")[0].split(" >")[0])[1:]
    command: Any = typer.main.get_command(app)
    context: typer.Context | None = None
    while hasattr(command, "commands") and words and words[0] in command.commands:
        name, command, words = command.resolve_command(context, words)
        context = typer.Context(command, parent=context, info_name=name)
    if not words or line in NO_WHOLE_COMMANDS or hasattr(command, "commands"):
        return
    command.make_context(str(context.info_name) if context else "sdconsole", words)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_block_of_a_runbook_parses() -> None:
    """Commands were checked above; queries are run by the tests of the runbooks."""
    for path in shipped().values():
        assert lint(read_text(path)) == (), path


def test_the_wheel_carries_the_runbooks() -> None:
    included = tomllib.loads(read("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["runbooks"] == "sdconsole/runbooks"
    assert shipped_folder() == ROOT / "runbooks"


def test_every_error_is_raised_with_its_cause_and_the_next_step() -> None:
    assert reference.incomplete_errors() == []


def test_every_command_ends_with_a_next_one_that_exists() -> None:
    """That it is printed is shown by tests/cli/test_next_step.py."""
    known = dict(commands(app))
    assert set(known) == {*NEXT, *BY_ITSELF}
    assert not set(NEXT) & set(BY_ITSELF)
    assert {words for words, template in NEXT.items() if not template} == {"db psql"}
    templates = [(words, given) for table in (NEXT, WRONG) for words, given in table.items() if given]
    for words, template in templates:
        callback = known[words].callback
        assert callback is not None
        given = set(inspect.signature(callback).parameters)
        assert set(re.findall(r"\{(\w+)\}", template)) <= given, words
        target = [word for word in template.split()[:2] if re.fullmatch(r"[a-z-]+", word)]
        path = " ".join(target) if " ".join(target) in known else target[0]
        assert path in known, template
        text = help_of(*path.split())
        assert all(word in text for word in template.split() if word.startswith("--")), template


def test_a_stage_command_has_the_options_of_its_stage_and_of_those_before() -> None:
    options = {
        stage: set(re.findall(r"--[a-z][a-z-]+", help_of(stage))) for stage in DEPLOY_STAGES if stage in TARGET_STAGES
    }
    deploy = set(re.findall(r"--[a-z][a-z-]+", help_of("deploy")))
    assert {"--canary-rate", "--keep-canary", "--min-quality"} <= options[StageName.CANARY]
    assert not {"--jobs", "--confirm", "--watch"} & options[StageName.CANARY]
    assert {"--jobs", "--throttle"} <= options[StageName.LOAD]
    assert {"--confirm", "--deadline", "--max-metric-change"} <= options[StageName.CUTOVER]
    assert not {"--watch", "--auto-rollback"} & options[StageName.CUTOVER]
    of_a_new_run = {"--mode", "--audit", "--until", "--target", "--dsn", "--schema", "--contract"}
    assert deploy - of_a_new_run == options[StageName.VERIFY]


def test_the_help_of_every_command_leads_with_an_example_that_parses() -> None:
    names = {words for words, _ in commands(app)}
    assert names == set(EXAMPLES), "sdconsole/interfaces/cli/examples.py"
    for group in {words.split()[0] for words in names if " " in words}:
        assert f"Example: sdconsole {group} " in help_of(group)
    for words, example in EXAMPLES.items():
        text = help_of(*words.split())
        assert f"Example: sdconsole {example}"[:60] in " ".join(text.split()), words
        assert example.startswith(words)
        for word in shlex.split(example):
            if word.startswith("--"):
                assert word in text, example
