"""The house's floor plan: imports point one way, headless commands never load Textual."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sdconsole"
FLOORS = (
    ("errors", "small_file", "alert_settings", "config"),
    ("contract",),
    ("core",),
    ("source",),
    ("quality",),
    ("target",),
    ("analytics",),
    ("stages",),
    ("runbook",),
    ("observe",),
    ("report",),
    ("service",),
    ("interfaces",),
)
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem.strip("_") == path.stem)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_used(path: Path) -> set[str]:
    names = (name.split(".") for name in imported_modules(path))
    return {parts[1] for parts in names if parts[0] == "sdconsole" and len(parts) > 1 and parts[1] in LEVEL}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_own_floor_or_below(path: Path) -> None:
    assert room(path) in LEVEL, f"{room(path)} has no floor: add it to FLOORS and to CONTRIBUTING.md"
    above = {used for used in rooms_used(path) if LEVEL[used] > LEVEL[room(path)]}
    assert not above, f"{path.relative_to(PACKAGE)} reaches up to {sorted(above)}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda path: path.stem)
def test_the_core_knows_no_database_and_no_terminal(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported_modules(path)}
    assert not tops & {"sqlite3", "psycopg", "rich", "textual", "typer", "psutil"}


def test_only_the_console_imports_textual_and_only_the_interfaces_import_rich_and_typer() -> None:
    for path in MODULES:
        tops = {name.split(".")[0] for name in imported_modules(path)}
        if "textual" in tops:
            assert path.is_relative_to(PACKAGE / "interfaces" / "tui"), path
        if tops & {"rich", "typer"}:
            assert path.is_relative_to(PACKAGE / "interfaces"), path


@pytest.mark.parametrize(
    "arguments", [["version"], ["--help"], ["plan", "missing.db"], ["status", "--json"], ["runs", "list", "--json"]]
)
def test_headless_commands_never_import_textual(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from sdconsole.interfaces.cli.app import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "assert 'sdconsole.interfaces.cli.app' in sys.modules\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] == 'textual']\n"
        "sys.exit(77 if loaded else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_no_module_hides_a_missing_import_or_swallows_an_error() -> None:
    """`except ImportError` hides missing features; a broad except stands only at the edges named here."""
    edges = {
        PACKAGE / "core" / "engine.py",
        PACKAGE / "core" / "bus.py",
        PACKAGE / "interfaces" / "cli" / "app.py",
        PACKAGE / "interfaces" / "tui" / "errands.py",
    }
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else "BaseException"
            assert "ImportError" not in caught, f"{path}:{node.lineno}"
            assert "ModuleNotFoundError" not in caught, f"{path}:{node.lineno}"
            if caught in {"Exception", "BaseException"}:
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                assert raises or path in edges, f"{path}:{node.lineno} swallows everything"


def test_the_checker_of_the_fault_trials_shares_no_code_with_the_product() -> None:
    checker = PACKAGE.parent / "tests" / "faults" / "checker.py"
    assert not {name for name in imported_modules(checker) if name.split(".")[0] in ("sdconsole", "tests")}


def test_production_code_never_looks_for_the_test_runner() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert "pytest" not in text, path
        assert "unittest.mock" not in text, path
