"""What the shells offer after TAB, asked as they ask: by the variables that each shell's script sets."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from sdconsole.core.model import Mode, StageName
from sdconsole.core.plan import DEPLOY_STAGES
from sdconsole.interfaces.cli.app import app
from sdconsole.interfaces.cli.examples import commands
from sdconsole.runbook.library import shipped
from tests.cli.conftest import Cli, Inside, MakeExport
from tests.cli.library_runs import deployed
from tests.conftest import Database

SHELLS = ("bash", "zsh", "fish")


def offered(inside: Inside, monkeypatch: pytest.MonkeyPatch, shell: str, line: str) -> set[str]:
    """The words that are offered at the end of a line."""
    words = line.split(" ")
    with monkeypatch.context() as patch:
        patch.setenv("_SDCONSOLE_COMPLETE", f"complete_{shell}")
        patch.setenv("_TYPER_COMPLETE_ARGS", line)
        patch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", str(len(words) - 1))
        patch.setattr(sys, "argv", ["sdconsole"])
        ended = inside()
    assert ended.code == 0, ended.err
    found = re.findall(r'"([^"]+)"', ended.out) if shell == "zsh" else ended.out.split()
    return set(found)


def test_runs_versions_runbooks_stages_and_targets_are_offered(
    inside: Inside, make_export: MakeExport, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inside.folder / "sdconsole.toml").write_text('[targets.warehouse]\ndsn = "host=db"\n')
    state = deployed(inside.folder, make_export(rows=300), pg.dsn, mode=Mode.SIMPLE)
    version = str(state.results[StageName.LOAD].facts["version"])
    books = {name for name in shipped() if name.startswith("r")}
    for shell in SHELLS:
        ask = partial(offered, inside, monkeypatch, shell)
        assert ask("sdconsole runs show ") == ask("sdconsole report r-") == {state.run_id}
        assert ask("sdconsole rollback --to ") == {version}
        assert ask("sdconsole runbook run r") == books
        assert ask("sdconsole deploy x.db --until ") == set(DEPLOY_STAGES)
        assert ask("sdconsole deploy x.db --target ") == {"embedded", "warehouse"}
        assert {"deploy", "demo", "doctor"} <= ask("sdconsole d")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_a_shell_names_the_program_and_the_shell_accepts_it(
    cli: Cli, tmp_path: Path, shell: str
) -> None:
    ended = _script(cli, shell)
    assert "_SDCONSOLE_COMPLETE" in ended
    assert "sdconsole" in ended.splitlines()[-1] + ended.splitlines()[0]
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completion"
    script.write_text(ended)
    checked = subprocess.run([program, "-n", str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr


def _script(cli: Cli, shell: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['sdconsole']; from sdconsole.__main__ import main; main()"],
        cwd=cli.folder,
        env=cli.environment | {"_SDCONSOLE_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_every_argument_that_names_a_run_a_runbook_a_version_or_a_target_is_completed() -> None:
    """By what the parameter is called; `runs diff` names its two runs before and after."""
    bare = []
    for words, info in commands(app):
        assert info.callback is not None
        for name, parameter in inspect.signature(info.callback, eval_str=True).parameters.items():
            run = name == "run" or (words == "runs diff" and name in ("before", "after"))
            book = words.startswith("runbook ") and name == "name"
            version = (words, name) in (("rollback", "to"), ("metrics compare", "before"), ("metrics compare", "after"))
            if (run or book or version or name == "target") and not any(
                getattr(one, "autocompletion", None) for one in get_args(parameter.annotation)
            ):
                bare.append(f"{words} {name}")
    assert not bare
