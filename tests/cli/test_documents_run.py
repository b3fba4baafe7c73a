"""The commands of README and runbooks do what they say: each that can run by itself is run, in the order of a tour."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sdconsole.core.model import Mode, StageName
from tests.cli.conftest import Inside, MakeExport
from tests.cli.library_runs import deployed
from tests.conftest import Database
from tests.test_docs import documented_commands

ELSEWHERE = re.compile(
    "--(install|show)-completion|--read-only|--watch|--follow|--target (embedded|warehouse)|--until"
    "|^(deploy|demo|serve|attach|approve|abort|stop|pause|unpause|resume|rollback|restore|cutover|verify|generate|db"
    "|observe serve|backups verify|blockers|metrics compare|metrics$|metrics sql ID|runbook run|runbook new"
    "|observe write --to|alerts check|metrics run --trend|config init|score|clean"
    "|contract init .* draft|contract lint draft)"
)
"""Commands that end by themselves only when somebody answers, that need what is not here, or that other tests run."""
EXPECTED = {"doctor": {0, 4}}
"""Where another end than 0 is right as well: what a doctor finds depends on the machine."""


def test_every_documented_command_that_runs_by_itself_runs(
    inside: Inside, make_export: MakeExport, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_export(rows=300)
    (inside.folder / "export.db").write_bytes(source.read_bytes())
    (inside.folder / "other.db").write_bytes(source.read_bytes())
    first = deployed(inside.folder, source, pg.dsn, mode=Mode.SIMPLE)
    second = deployed(inside.folder, source, pg.dsn, mode=Mode.BLUE_GREEN)
    names = {
        "r-20261121-031500-7f3a": first.run_id,
        "r-20261122-031500-9c1e": second.run_id,
        "servicedesk_v20261121_031500": str(first.results[StageName.LOAD].facts["version"]),
    }
    monkeypatch.setenv("SDCONSOLE_DSN", pg.dsn)
    (inside.folder / "promote.md").write_text(NOTE)
    wrong, run = {}, 0
    for line in sorted(documented_commands(), key=lambda one: (" lint " in one, one)):
        words = line.removeprefix("sdconsole").strip().split(" \\|")[0].split(" >")[0]
        if not words or ELSEWHERE.search(words):
            continue
        for placeholder, real in names.items():
            words = words.replace(placeholder, real)
        ended = inside(*shlex.split(words))
        run += 1
        if ended.code not in EXPECTED.get(words, {0}) or not (ended.out or ended.err):
            wrong[line] = f"{ended.code}: {(ended.err or ended.out)[-300:]}"
    assert not wrong, "\n".join(f"{line}: {said}" for line, said in wrong.items())
    assert run > 45
    assert Path(inside.folder / "prometheus").is_dir()
    monkeypatch.setenv("SDCONSOLE_QUERY_BUDGET_MS", "0.0001")
    slow = inside("dashboards", "check").err
    assert re.search(r"(\d+) queries, 0 failed, \1 over 0 ms", slow), slow[-400:]


NOTE = """# Promote

```toml runbook
schema = 1
id = "promote"
```

## Look

- [ ] It is quiet
"""
