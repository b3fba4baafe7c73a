"""How fast an export is made, against writing the same rows back with sqlite3."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sdconsole.contract.load import load_contract
from sdconsole.source.generate import generate
from tests.bench.measure import read_every_row, seconds, show


def copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target)) as db:
        db.execute("ATTACH ? AS made", [str(source)])
        for name, statement in db.execute("SELECT name, sql FROM made.sqlite_master WHERE type = 'table'").fetchall():
            if not name.startswith("sqlite_"):
                db.execute(statement)
                db.execute(f'INSERT INTO "{name}" SELECT * FROM made."{name}"')
        db.commit()


def main() -> None:
    contract = load_contract()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "export.db"

        def make() -> None:
            for file in Path(folder).glob("export.db*"):
                file.unlink()
            generate(made, contract=contract)

        took = seconds(make, runs=2)
        show(
            "generate 266,622 rows",
            took,
            seconds(lambda: copy(made, Path(folder) / "copy.db")),
            "x copying them in SQLite",
        )
        show("reading every row", took, seconds(lambda: read_every_row(made)))


if __name__ == "__main__":
    main()
