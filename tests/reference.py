"""Makes the reference pages from the source itself: every error slug, setting, event, metric and series.

`python -m tests.reference` writes them into runbooks/reference/; `tests/test_docs.py` proves that they are true.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdconsole import errors
from sdconsole.alert_settings import AlertSettings
from sdconsole.config import HookSettings, Settings, TargetSettings
from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.cli.app import _SLUGS
from sdconsole.interfaces.exit_codes import exit_code
from sdconsole.target.failures import _BY_SQLSTATE
from tests.reference_commands import commands_page
from tests.reference_lists import cell as _cell
from tests.reference_lists import pages

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sdconsole"
SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, SdconsoleError)
}


@dataclass(frozen=True, slots=True, order=True)
class Slug:
    """`says` is the message with its variable parts as `…`."""

    slug: str
    code: int
    says: str


def slugs() -> tuple[Slug, ...]:
    """Every slug that the source can raise, once for each exit code."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    classes = dict(_CLASSES)
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
                if bases:
                    classes.setdefault(node.name, bases[0])
    found: dict[tuple[str, int], str] = {}
    for slug, message, _ in _BY_SQLSTATE.values():
        found[slug, 1] = message
    for slug in {*_SLUGS.values(), "usage"}:
        found[slug, 2] = "the command line cannot be used; the message says what of it"
    found["target-error", 1] = "PostgreSQL refused a statement"
    found["interrupted", 130] = "stopped before it was finished (143 when SIGTERM stopped it)"
    for path, tree in trees.items():
        for slug, kind, says in _raised(tree, classes, checks=path.is_relative_to(PACKAGE / "stages")):
            key = slug, int(exit_code(kind.verdict))
            found[key] = found.get(key) or says
    return tuple(sorted(Slug(slug, code, says) for (slug, code), says in found.items()))


def incomplete_errors() -> list[str]:
    """Where the source makes an error that does not say why, or not what to do."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in _CLASSES
                and node.args
            ):
                missing = {"cause", "next_step"} - {keyword.arg for keyword in node.keywords}
                if missing:
                    place = path.relative_to(PACKAGE)
                    found.append(
                        f"{place}:{node.lineno} {ast.unparse(node.args[0])} has no {', '.join(sorted(missing))}"
                    )
    return found


def _raised(
    tree: ast.AST, classes: dict[str, type[SdconsoleError]], *, checks: bool
) -> Iterator[tuple[str, type[SdconsoleError], str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        words = {keyword.arg: keyword.value for keyword in node.keywords}
        if name == "from_os_error":
            for slug in ("disk-full", "file-error"):
                yield slug, errors.OperationFailed, _text(node.args[1])
        elif name == "failed" and node.args and checks:
            named = _constants(words["slug"]) if "slug" in words else _constants(node.args[0])
            for one in named:
                yield one.replace("_", "-"), errors.CheckFailed, _text(node.args[1]) if len(node.args) > 1 else ""
        elif name in ("_refusal", "_Refusal") and node.args:
            for one in _constants(node.args[0]):
                yield one, errors.TargetUnreachable, _text(node.args[2]) if len(node.args) > 2 else ""
        elif name in classes:
            given = node.args[0] if node.args else words.get("slug")
            for one in _constants(given) if given is not None else []:
                yield one, classes[name], _text(node.args[1]) if len(node.args) > 1 else ""
        elif node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in classes and len(node.args) > 1:
            for one in _constants(node.args[1]):  # a function that is given the class and the slug
                yield one, classes[node.args[0].id], _text(node.args[2]) if len(node.args) > 2 else ""


def _constants(node: ast.expr) -> list[str]:
    """The texts that an expression can be, as far as the source says."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if SLUG.fullmatch(node.value.replace("_", "-")) else []
    if isinstance(node, ast.IfExp):
        return [*_constants(node.body), *_constants(node.orelse)]
    return []


def _text(node: ast.expr) -> str:
    """A message as it is written, with … for what is only known when it is raised."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.IfExp):
        return _text(node.body)
    return ""


_ERRORS = """\
# Errors

Every error says what happened, why, what is true now and what to do next. Its slug, in brackets, names the kind for
scripts and never changes its meaning: `error[cutover-lock]: ...`, and `"slug"` in JSON. The exit code is that of the
command; the README says what each of them promises. `…` stands for what is only known when it happens.

| slug | exit | says |
|---|---|---|
"""
_SETTINGS = """\
# Settings

A flag wins over an `SDCONSOLE_*` variable, that over `./sdconsole.toml`, that over the user's file. A setting of a
table is written with two underscores in a variable: `SDCONSOLE_HOOKS__TIMEOUT_SECONDS`. Shares are in percent, sizes in
bytes, times in the unit of their name. `sdconsole config show --origin` says what is in force and where it comes from.

| setting | default | what it is |
|---|---|---|
"""
_PRIVATE = {"state_dir": "`.sdconsole` in the current folder", "embedded_root": "`postgres` in the user's data folder"}


def errors_page() -> str:
    rows = [f"| `{one.slug}` | {one.code} | {_cell(one.says) or 'see the message'} |" for one in slugs()]
    return _ERRORS + "\n".join(rows) + "\n"


def settings_page() -> str:
    groups = (("", Settings), ("targets.NAME.", TargetSettings), ("alerts.", AlertSettings), ("hooks.", HookSettings))
    rows = []
    for above, model in groups:
        for name, field in model.model_fields.items():
            if not above and name in ("targets", "hooks", "alerts"):
                continue
            default = field.get_default(call_default_factory=True)
            text = json.dumps(default) if not isinstance(default, Path) else ""
            shown = _PRIVATE.get(name) or ("not set" if default is None else f"`{text}`")
            rows.append(f"| `{above}{name}` | {shown} | {_cell(field.description or MEANING[name])} |")
    return _SETTINGS + "\n".join(rows) + "\n"


MEANING = {
    "state_dir": "where runs, logs and backups are kept",
    "target": "the target that is meant without --target: a name from the settings, or embedded",
    "dsn": "a libpq connection string or URI; without a password",
    "live_schema": "the schema that readers read",
    "reader_role": "the role that dashboards read with; it is granted the live views",
    "production": "shown in words and colour wherever the target is named",
    "embedded_root": "where the embedded server and its data are",
    "contract": "a contract in TOML instead of the built-in one",
    "mode": "simple, canary, blue-green or complete",
    "min_quality": "the score that a deployment needs",
    "warn_quality": "the score below which the score stage warns",
    "mismatch_percent": "the breaker: share of columns that may hold something else than they are for",
    "corrupt_percent": "the breaker: share of values of a required date that may be no date",
    "max_quarantine_percent": "share of rows that may be set aside",
    "warn_quarantine_percent": "share of rows set aside from which the clean stage warns",
    "canary_seed": "the same seed takes the same sample",
    "cutover_deadline_seconds": "how long a switch waits for sessions in its way",
    "lock_timeout_ms": "how long readers wait at most for one attempt of the switch",
    "query_timeout_seconds": "the limit of a dashboard's query and of a runbook's check",
    "query_budget_ms": "over how many milliseconds a dashboard's query is slow",
    "keep_versions": "versions that stay after a deployment",
    "backup_keep_days": "younger backups stay",
    "min_free_bytes": "free disk below which a run halts",
    "space_local_bytes": "free disk that the preflight wants here at least",
    "space_database_bytes": "free disk that the preflight wants for the embedded server at least",
    "max_memory_percent": "used memory above which a run halts",
    "max_clock_skew_seconds": "difference to the server's clock from which the preflight warns",
    "errors_per_hour": "errors of all gates",
    "overrun_note_seconds": "how long a run may take before it is worth a note",
    "overrun_warn_seconds": "and before it is a warning",
    "profile_slow_seconds": "how long the profile may take",
    "clean_slow_seconds": "how long cleaning may take",
    "load_slow_seconds": "how long the load may take",
    "log_level": "debug, info, warning or error",
    "log_keep_days": "how long logs are kept",
    "log_max_bytes": "the size of a log file from which the next one is begun",
    "on_ready": "told when a version is proved and not live yet",
    "on_hold": "told when a run waits for a confirmation",
    "on_success": "told when readers see the new version",
    "on_failure": "told when a run failed",
    "on_rollback": "told when readers were taken back",
    "timeout_seconds": "how long one hook may take",
}
"""For settings whose source has no sentence of its own."""


def main() -> None:
    folder = ROOT / "runbooks" / "reference"
    folder.mkdir(exist_ok=True)
    (folder / "errors.md").write_text(errors_page(), encoding="utf-8")
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")
    for name, page in {**pages(), "commands.md": commands_page()}.items():
        (folder / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
