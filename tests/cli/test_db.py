"""`sdconsole db` says by its exit code whether the embedded server runs, and where it is reached."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.cli.conftest import Cli


def test_the_exit_code_of_db_status_says_whether_the_server_runs(cli: Cli, tmp_path: Path) -> None:
    cli.environment["SDCONSOLE_EMBEDDED_ROOT"] = str(tmp_path / "server")
    before = cli("db", "status", "--json")
    assert (before.code, before.json["running"]) == (3, False)
    assert not (tmp_path / "server").exists(), "asking starts nothing"
    try:
        made = cli("db", "dsn", "--json")
        assert made.code == 0, made.err
        with psycopg.connect(made.json["dsn"]) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (made.json["database"],)
        assert cli("db", "dsn").out.strip() == made.json["dsn"]
        assert cli("db", "status").code == 0
    finally:
        stopped = cli("db", "stop")
    assert stopped.code == 0, stopped.err
    assert cli("db", "status").code == 3
