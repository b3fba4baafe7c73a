"""Writes one synthetic export: a SQLite file, its manifest and the list of its defects.

Rows are made and stored in steps of a few thousand, so that memory does not grow with the export. Equal arguments
make equal content: every step has its own source of chance, derived from the seed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import IO

from sdconsole.contract.model import Contract
from sdconsole.errors import UsageError
from sdconsole.source.generate.cells import Batch, Row
from sdconsole.source.generate.clock import EPOCH
from sdconsole.source.generate.comments import CommentWriter
from sdconsole.source.generate.counts import chance
from sdconsole.source.generate.declared import (
    COMMENTS,
    DECLARED,
    METADATA,
    QUALITY,
    ROSTER,
    SENTIMENT,
    TICKETS,
    TIMESHEETS,
    contract_columns,
    create_statement,
    insert_statement,
)
from sdconsole.source.generate.defect_plan import defect_plan
from sdconsole.source.generate.defects import DefectLog
from sdconsole.source.generate.dirt import Dirt, dirt_of
from sdconsole.source.generate.facts import build_facts
from sdconsole.source.generate.inject import inject
from sdconsole.source.generate.manifest import Manifest, defects_path, manifest_path
from sdconsole.source.generate.names import accounts, people
from sdconsole.source.generate.sizes import Scale, scale_of
from sdconsole.source.generate.small_tables import metadata_rows, roster_rows
from sdconsole.source.generate.tally import Tally
from sdconsole.source.generate.tickets import TicketWriter
from sdconsole.source.generate.timesheets import TimesheetWriter, agents_needed
from sdconsole.source.output import new_file

Progress = Callable[[int, int | None], None]

_TICKET_STEP = 2_000
_COMMENT_STEP_TICKETS = 400
_TIMESHEET_STEP = 5_000
_CACHE_KIB = 8_000


def day_taken(size: str = "baseline", rows: int | None = None) -> date:
    """The day on which an export of that size would have been taken."""
    return EPOCH + timedelta(days=scale_of(size, rows).export_day)


def generate(
    path: Path,
    *,
    contract: Contract,
    rows: int | None = None,
    size: str = "baseline",
    dirt: str = "baseline",
    seed: int = 1,
    as_of: date | None = None,
    progress: Progress | None = None,
    corrupt_created_percent: float | None = None,
    corrupt_created_rows: int | None = None,
    mistyped_columns: int = 0,
) -> Manifest:
    """Makes the export at `path`, `<path>.manifest.json` and `<path>.defects.jsonl`; all three or none.

    `rows` counts tickets, comments and timesheets together and keeps the proportions of `size` (baseline, x2, large).
    `dirt` is clean, baseline, heavy or hostile. On top of it, `corrupt_created_percent` (rounded down) or
    `corrupt_created_rows` asks for that many tickets with a corrupt creation time, and `mistyped_columns` for that
    many columns full of text where numbers and dates are meant. `as_of` is the day from which future dates are counted,
    by default the day on which the export would have been taken; the machine's clock is never read.

    `progress(rows done, rows in all)` is called every few thousand rows and may raise. Raises UsageError
    "generate-exists", "generate-size", "generate-as-of", "generate-dirt", "generate-contract" or that of
    `source.output`, and OperationFailed "disk-full" or "output-unwritable".
    """
    scale = scale_of(size, rows)
    taken = day_taken(size, rows)
    if as_of is not None and as_of < taken:
        raise UsageError(
            "generate-as-of",
            f"{as_of} lies before the end of the export",
            cause=f"this export would have been taken on {taken}",
            next_step=f"give {taken} or a later day",
        )
    wanted = dirt_of(dirt, scale.rows[TICKETS], corrupt_created_percent, corrupt_created_rows, mistyped_columns)
    for table in DECLARED:
        contract_columns(contract, table)
    with _new_export(path) as (database, defects, manifest_file):
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            export = _Export(
                connection, contract, scale, wanted, seed, as_of or taken, defects, progress or _no_progress
            )
            manifest = export.write(path)
        manifest_file.write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _no_progress(_done: int, _total: int | None) -> None:
    return


@contextmanager
def _new_export(path: Path) -> Iterator[tuple[Path, IO[str], Path]]:
    """Three private files that get their names together at the end, the database last; on any error none does."""
    beside = (defects_path(path), manifest_path(path))
    for taken in (path, *beside):
        if taken.exists() or taken.is_symlink():
            raise UsageError(
                "generate-exists",
                f"{taken} exists already",
                cause="a generated export never overwrites a file",
                state="nothing was written",
                next_step="remove it or give another path",
            )
    try:
        with (
            new_file(path) as database,
            new_file(beside[0]) as defects,
            new_file(beside[1]) as manifest,
            defects.open("w", encoding="utf-8") as stream,
        ):
            yield database, stream, manifest
    except BaseException:
        for made in beside:
            made.unlink(missing_ok=True)
        raise


@dataclass(slots=True)
class _Export:
    """One export while it is written."""

    connection: sqlite3.Connection
    contract: Contract
    scale: Scale
    dirt: Dirt
    seed: int
    as_of: date
    defects: IO[str]
    progress: Progress
    done: int = field(init=False, default=0)

    def write(self, path: Path) -> Manifest:
        scale, seed = self.scale, self.seed
        text_ids = self.dirt.profile == "hostile"
        gaps = self.dirt.profile != "clean"
        facts = build_facts(scale, seed)
        staff = people(agents_needed(scale), chance(seed, "people"))
        customers = accounts()
        plan = defect_plan(scale, self.dirt, facts, timezone=self.contract.timezone, as_of=self.as_of, seed=seed)
        log = DefectLog(self.defects, text_ids)
        tally = Tally(facts, bytearray(len(facts)))
        self._begin(text_ids=text_ids)

        def store(table: str, start: int, rows: list[Row]) -> Batch:
            batch = Batch(table, start, rows)
            tally.values(batch)
            rng = chance(seed, "defects", table, start)
            inject(batch, plan.get(table, ()), scale.rows[table], log, rng)
            self.connection.executemany(insert_statement(table), batch.rows)
            self.done += len(rows)
            return batch

        tickets = TicketWriter(facts, scale, staff, customers, gaps)
        for start in range(0, len(facts), _TICKET_STEP):
            stop = min(start + _TICKET_STEP, len(facts))
            made = tickets.rows(start, stop, chance(seed, "tickets", start))
            tally.tickets_stored(store(TICKETS, start, made))
            self._report()

        comments = CommentWriter(facts, scale, seed, staff, automation=self._automation(), gaps=gaps)
        stored = {COMMENTS: 0, QUALITY: 0, SENTIMENT: 0}
        for start in range(0, len(facts), _COMMENT_STEP_TICKETS):
            stop = min(start + _COMMENT_STEP_TICKETS, len(facts))
            step = comments.step(start, stop, chance(seed, "comments", start))
            tally.comments_stored(store(COMMENTS, stored[COMMENTS], step.comments))
            store(QUALITY, stored[QUALITY], step.quality)
            store(SENTIMENT, stored[SENTIMENT], step.sentiment)
            stored[COMMENTS] += len(step.comments)
            stored[QUALITY] += len(step.quality)
            stored[SENTIMENT] += len(step.sentiment)
            self._report()

        timesheets = TimesheetWriter(facts, scale, seed, staff, customers, gaps=gaps)
        for start in range(0, scale.rows[TIMESHEETS], _TIMESHEET_STEP):
            stop = min(start + _TIMESHEET_STEP, scale.rows[TIMESHEETS])
            made = timesheets.rows(start, stop, chance(seed, "timesheets", start))
            tally.timesheets_stored(store(TIMESHEETS, start, made))
            self._report()

        store(ROSTER, 0, roster_rows(scale, staff))
        store(METADATA, 0, metadata_rows(scale))
        self.connection.execute("COMMIT")
        self._report()
        return Manifest(
            path=path,
            seed=seed,
            as_of=self.as_of.isoformat(),
            size=scale.name,
            dirt=self.dirt.profile,
            rows=dict(scale.rows),
            counts=log.by_kind(),
            expected=log.by_expectation(),
            columns_with_values=tally.columns_with_values,
            figures=tally.figures(),
        )

    def _begin(self, *, text_ids: bool) -> None:
        """The file has no name yet and is thrown away on any error, so it needs neither journal nor syncs of SQLite."""
        for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            self.connection.execute(f"PRAGMA {setting}")
        self.connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self.connection.execute("BEGIN")
        for table in DECLARED:
            self.connection.execute(create_statement(self.contract, table, text_ids=text_ids))

    def _automation(self) -> str:
        return self.contract.automation_accounts[0] if self.contract.automation_accounts else "flowbot"

    def _report(self) -> None:
        self.progress(self.done, self.scale.total)
