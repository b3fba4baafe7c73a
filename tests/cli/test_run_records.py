"""Old records go, needed ones stay, and the shell knows what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdconsole.core import runs
from sdconsole.interfaces.cli import completing
from sdconsole.service.run_records import prune_runs
from tests.cli.conftest import Cli, Inside, MakeExport
from tests.cli.library_runs import deployed, settings_of
from tests.conftest import Database


def test_records_that_nothing_needs_are_removed_and_the_shell_offers_the_rest(
    inside: Inside, make_export: MakeExport, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_export(rows=1_000)
    live = deployed(inside.folder, source, pg.dsn, audit=True)
    held = deployed(inside.folder, source, pg.dsn, confirm=None)
    failed = deployed(inside.folder, source, pg.dsn, space_local_bytes=10**18)
    assert completing.complete_runs("r-") == [failed.run_id, held.run_id, live.run_id]
    assert completing.complete_versions("servicedesk_v")
    assert completing.complete_targets("emb") == ["embedded"]
    assert completing.complete_runbooks("rol") == ["rollback"]
    settings = settings_of(inside.folder, pg.dsn)
    young = prune_runs(settings, keep_days=30)
    assert {one.run.run_id: one.reason for one in young}[failed.run_id] == "it is young"
    told = inside("runs", "prune", "--keep-days", "0", "--dry-run", "--dsn", pg.dsn, "--json").json
    assert [one["run"] for one in told["removed"]] == [failed.run_id]
    folder = inside.folder / ".sdconsole" / "runs"
    assert (folder / failed.run_id).exists()
    with runs.run_lock(folder / failed.run_id):
        assert prune_runs(settings, keep_days=0)[0].reason == "it is being executed"
    pruned = inside("runs", "prune", "--keep-days", "0", "--dsn", pg.dsn, "--json")
    assert pruned.code == 0, pruned.err
    reasons = {one["run"]: one["reason"] for one in pruned.json["kept"]}
    assert "still exists" in reasons[live.run_id]
    assert reasons[held.run_id] == "it waits for a confirmation"
    assert not (folder / failed.run_id).exists()
    audit = folder / live.run_id / "audit.jsonl.gz"
    assert audit.exists(), "it is kept for 30 days"
    old = {
        one.run.run_id: one.old_audit
        for one in prune_runs(settings_of(inside.folder, pg.dsn, audit_keep_days=0), keep_days=0)
    }
    assert (old, audit.exists()) == ({live.run_id: audit, held.run_id: None}, False)
    assert (folder / live.run_id / "profile.json").exists()
    (Path(inside.folder) / "sdconsole.toml").write_text("no = such\n")
    assert completing.complete_runs("") == [], "completion is silent where the settings are wrong"


def test_the_shell_is_answered(cli: Cli) -> None:
    cli.environment |= {
        "_SDCONSOLE_COMPLETE": "complete_bash",
        "COMP_WORDS": "sdconsole runbook show re",
        "COMP_CWORD": "3",
        "_TYPER_COMPLETE_ARGS": "sdconsole runbook show re",
    }
    assert cli().out.split() == ["rehearsal", "restore"]
