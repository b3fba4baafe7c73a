"""One example for each command: the first thing that its help says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import typer
from typer.models import CommandInfo

_RUN = "r-20261121-031500-7f3a"
_DUMP = "servicedesk_v20261121_031500.20261122T031500Z-r-20261122-031500-9c1e.dump"
EXAMPLES = {
    "demo": "demo --size 20000",
    "deploy": "deploy export.db --mode blue-green",
    "resume": "resume --min-quality 75",
    "rollback": "rollback --confirm servicedesk",
    "preflight": "preflight export.db",
    "backup": "backup export.db",
    "profile": "profile export.db",
    "clean": "clean export.db --dry-run",
    "score": "score export.db --junit rules.xml",
    "canary": "canary",
    "load": "load --jobs 2",
    "validate": "validate",
    "cutover": "cutover --confirm servicedesk",
    "verify": "verify",
    "approve": "approve --confirm servicedesk",
    "abort": f"abort {_RUN}",
    "doctor": "doctor --target warehouse",
    "blockers": "blockers",
    "attach": "attach",
    "pause": "pause",
    "unpause": "unpause",
    "stop": "stop",
    "plan": "plan export.db",
    "serve": "serve",
    "version": "version --json",
    "status": "status --watch",
    "report": f"report {_RUN}",
    "logs": "logs",
    "restore": f"restore {_DUMP}",
    "setup-role": "setup-role",
    "generate": "generate export.db --size 20000 --seed 7",
    "runs list": "runs list",
    "runs show": f"runs show {_RUN}",
    "runs prune": "runs prune --dry-run",
    "runs diff": f"runs diff {_RUN} r-20261222-031500-9c1e",
    "versions list": "versions list",
    "versions prune": "versions prune --keep 3 --dry-run",
    "observe write": "observe write",
    "observe serve": "observe serve",
    "observe list": "observe list",
    "alerts list": "alerts list",
    "alerts export": "alerts export alerts",
    "alerts check": "alerts check",
    "metrics list": "metrics list",
    "metrics run": "metrics run 1.1",
    "metrics compare": "metrics compare live candidate",
    "metrics sql": "metrics sql 1.1",
    "dashboards list": "dashboards list",
    "dashboards export": "dashboards export grafana",
    "dashboards check": "dashboards check",
    "quarantine show": "quarantine show",
    "quarantine export": "quarantine export quarantine.csv",
    "backups list": "backups list",
    "backups verify": f"backups verify {_DUMP} --rehearse",
    "backups prune": "backups prune --dry-run",
    "contract show": "contract show",
    "contract lint": "contract lint contract.toml",
    "contract init": "contract init --from export.db --output contract.toml",
    "rules list": "rules list",
    "runbook list": "runbook list",
    "runbook show": "runbook show rollback",
    "runbook lint": "runbook lint promote.md",
    "runbook new": "runbook new promote.md",
    "runbook run": "runbook run quarterly-import source=export.db",
    "config show": "config show --origin",
    "config validate": "config validate",
    "config path": "config path",
    "config schema": "config schema",
    "config init": "config init",
    "db start": "db start",
    "db stop": "db stop",
    "db status": "db status",
    "db dsn": "db dsn",
    "db psql": "db psql -c 'SELECT 1'",
}


def commands(app: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Every command with its words."""
    for info in app.registered_commands:
        name = info.name or (info.callback.__name__.replace("_", "-") if info.callback else "")
        yield f"{above}{name}", info
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{above}{group.name} ")


def put_examples(app: typer.Typer) -> None:
    """The example leads the help of its command; lists of commands go on showing what each is for."""
    for words, info in commands(app):
        said = info.help or inspect.getdoc(info.callback) or ""
        if words in EXAMPLES:
            info.short_help = info.short_help or said.split("\n\n")[0]
            info.help = f"Example: sdconsole {EXAMPLES[words]}\n\n{said}"
    for group in app.registered_groups:
        if group.typer_instance is not None:
            purpose = str(group.typer_instance.info.help)
            first = next(words for words, _ in commands(group.typer_instance, f"{group.name} ") if words in EXAMPLES)
            group.short_help, group.help = purpose, f"Example: sdconsole {EXAMPLES[first]}\n\n{purpose}"
