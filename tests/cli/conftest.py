"""The command as an operator starts it: a process of its own, in an empty folder, with a home of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.interfaces.cli.app import main
from sdconsole.source.generate import generate

ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Ended:
    """What a finished command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document it must be."""
        return json.loads(self.out)


class Cli(Protocol):
    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, timeout: float = 120, **extra: Any) -> Ended: ...

    def start(self, *arguments: str) -> subprocess.Popen[str]: ...


@dataclass(slots=True)
class Command:
    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, timeout: float = 120, **extra: Any) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "sdconsole", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **extra,
        )
        assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sdconsole", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the tester's own settings: no PG*, no SDCONSOLE_*."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "SDCONSOLE_", "XDG_")) and name not in {"COLUMNS", "LINES"}
    }
    limits = {
        "SDCONSOLE_MAX_MEMORY_PERCENT": "100",  # what else this machine runs is no business of a test
        "SDCONSOLE_SPACE_LOCAL_BYTES": "100000000",
        "SDCONSOLE_SPACE_DATABASE_BYTES": "100000000",
    }
    return kept | {"HOME": str(home), "NO_COLOR": "1", "SDCONSOLE_MIN_FREE_BYTES": "50000000"} | limits | more


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    return Command(folder, environment(home))


class Inside(Protocol):
    folder: Path

    def __call__(self, *arguments: str) -> Ended: ...


@dataclass(slots=True)
class _Inside:
    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = self.capture.readouterr()
        assert "Traceback" not in said.out + said.err, said.err
        assert isinstance(left.value.code, int)
        return Ended(left.value.code, said.out, said.err)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    """The command in this very process, in an empty folder: for the many small things that need no process."""
    folder, home = tmp_path / "work", tmp_path / "home"
    for path in (folder, home):
        path.mkdir(exist_ok=True)
    for name in set(os.environ) - set(wanted := environment(home)):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return _Inside(folder, capsys)


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small export with the usual dirt. Never written by any test."""
    path = tmp_path_factory.mktemp("export") / "export.db"
    generate(path, rows=ROWS, seed=11, contract=load_contract())
    return path


MakeExport = Callable[..., Path]


@pytest.fixture
def make_export(tmp_path: Path) -> MakeExport:
    def make(name: str = "export.db", **options: Any) -> Path:
        path = tmp_path / name
        generate(path, contract=load_contract(), **({"rows": ROWS, "seed": 5} | options))
        return path

    return make


def listing(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Every file below a folder with size and modification time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
