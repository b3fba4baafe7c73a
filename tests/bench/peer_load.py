"""Loads a clean file the way another tool does it: `python peer_load.py adbc|duckdb ORDER`. Runs in the peers' own
environment, without this project. ORDER is a JSON file: clean, conninfo, schema, tables with their typed columns.

Timestamps and decimals become what they are, as they do in our load; everything else stays as SQLite holds it. Prints
the seconds that it took, without the start of Python.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def with_adbc(order: dict[str, Any]) -> None:
    import adbc_driver_postgresql.dbapi as postgresql  # type: ignore[import-not-found]
    import adbc_driver_sqlite.dbapi as sqlite  # type: ignore[import-not-found]
    import pyarrow  # type: ignore[import-not-found]

    kinds = {"timestamp": pyarrow.timestamp("us"), "decimal": pyarrow.decimal128(20, 3)}
    with sqlite.connect(f"file:{order['clean']}?mode=ro") as clean, postgresql.connect(order["conninfo"]) as target:
        for name, columns in order["tables"].items():
            # A column's type is guessed from the first batch: a small one may hold nothing but NULLs.
            whole = {"adbc.sqlite.query.batch_rows": 1 << 22}
            with clean.cursor(adbc_stmt_kwargs=whole) as rows, target.cursor() as copy:
                rows.execute(f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(name)}")
                reader = rows.fetch_record_batch()
                fields = [
                    pyarrow.field(field.name, kinds.get(columns[field.name], field.type)) for field in reader.schema
                ]
                copy.adbc_ingest(
                    name,
                    pyarrow.RecordBatchReader.from_batches(
                        pyarrow.schema(fields), (batch.cast(pyarrow.schema(fields)) for batch in reader)
                    ),
                    mode="create",
                    db_schema_name=order["schema"],
                )
        target.commit()


def with_duckdb(order: dict[str, Any]) -> None:
    import duckdb  # type: ignore[import-not-found]

    kinds = {"timestamp": "TIMESTAMP", "decimal": "DECIMAL(18,3)"}
    with duckdb.connect() as engine:
        for extension in ("sqlite", "postgres"):
            engine.execute(f"INSTALL {extension}")
            engine.execute(f"LOAD {extension}")
        engine.execute(f"ATTACH '{order['clean']}' AS clean (TYPE sqlite, READ_ONLY)")
        engine.execute(f"ATTACH '{order['conninfo']}' AS target (TYPE postgres, SCHEMA '{order['schema']}')")
        for name, columns in order["tables"].items():
            cells = ", ".join(
                f"CAST({quoted(column)} AS {kinds[kind]}) AS {quoted(column)}" if kind in kinds else quoted(column)
                for column, kind in columns.items()
            )
            place = f"target.{quoted(order['schema'])}.{quoted(name)}"
            engine.execute(f"CREATE TABLE {place} AS SELECT {cells} FROM clean.{quoted(name)}")


def main() -> None:
    order = json.loads(Path(sys.argv[2]).read_text())
    started = time.perf_counter()
    {"adbc": with_adbc, "duckdb": with_duckdb}[sys.argv[1]](order)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
