"""A stage's context around a clean file and a database, for tests that load without a whole run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sdconsole.config import load_settings
from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Index, Table
from sdconsole.core.events import Event, Waiting
from sdconsole.core.gates import Answer
from sdconsole.core.model import Mode, StageName
from sdconsole.core.stage import Cancellation, StageContext
from sdconsole.source.open import inspect_source
from sdconsole.stages import loading
from sdconsole.stages.deployment import Context, Deployment
from sdconsole.target.connect import Target, connect
from sdconsole.target.ledger.record import ensure_ledger
from tests.stages.target_clean_file import write_clean

RUN = "r-20261121-031500-0001"
VERSION = "servicedesk_v20261121_031500"

SMALL = Table(
    "small",
    (Column("id", "bigint"), Column("word", "text")),
    key=("id",),
    indexes=(Index(("word",)),),
    description="Fewer rows.",
)
LARGE = Table(
    "large",
    (Column("id", "bigint"), Column("word", "text"), Column("hours", "numeric(8,3)"), Column("at", "timestamp")),
    key=("id",),
    indexes=(Index(("word",)), Index(("at",))),
    description="Many rows.",
)
KEYLESS = Table(
    "keyless",
    (Column("word", "text"), Column("n", "bigint")),
    surrogate_key="row_id",
    indexes=(Index(("n",)),),
    description="Rows without a key.",
)
TABLES = (SMALL, LARGE, KEYLESS)


def clean_file(path: Path, *, small: int = 8_000, large: int = 12_000, keyless: int = 9_000) -> Path:
    """The three tables; the large one's rows are stored in another order than its key's."""
    return write_clean(
        path,
        TABLES,
        {
            "small": [[number, f"word {number % 7}"] for number in range(small)],
            "large": [
                [number, "é" * (number % 50), f"{number % 1000}.125", f"2025-07-{1 + number % 28:02d} 08:00:00"]
                for number in (place * 7919 % large for place in range(large))
            ],
            "keyless": [[f"row {number}", number % 11] for number in range(keyless)],
        },
    )


def context(folder: Path, dsn: str, clean: Path, events: list[Event] | None = None, **settings: Any) -> Context:
    """What a load stage of a run would be given; every event goes to `events`."""
    heard: list[Event] = [] if events is None else events
    deployment = Deployment(
        run_id=RUN,
        settings=load_settings(state_dir=folder, dsn=dsn, **settings),
        contract=load_contract(None),
        folder=folder,
        mode=Mode.COMPLETE,
        operator="anna",
        host="ops-1",
        source=clean,
        intake=inspect_source(clean),
        target=Target("test", dsn, "servicedesk", ""),
    )
    return StageContext(
        run_id=RUN,
        stage=StageName.LOAD,
        deployment=deployment,
        results={},
        cancellation=Cancellation(),
        publish=heard.append,
        question=_nobody,
    )


def _nobody(_question: Waiting) -> Answer:
    raise AssertionError("a load asks nothing")


def load(ctx: Context, clean: Path, tables: Sequence[Table] = TABLES, version: str = VERSION) -> loading.Loaded:
    """Loads into `version` on a connection of its own, as the stage does."""
    with closing(connect(ctx.deployment.needed_target(), application=ctx.deployment.application)) as connection:
        ensure_ledger(connection)
        return loading.load_version(ctx, connection, version, clean, tuple(tables), clean_digest="digest")


def children(parent_pid: int | None = None) -> set[int]:
    """The loading processes that a process, this one by default, has started."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == (parent_pid or os.getpid()) and b"sdconsole.target.load.loader" in words:
            found.add(int(entry.name))
    return found
