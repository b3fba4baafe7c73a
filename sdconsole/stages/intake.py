"""The first look at a source, before a run exists: what is refused here leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sdconsole.errors import SourceRefused
from sdconsole.source.catalog import read_catalog
from sdconsole.source.open import (
    SourceFacts,
    check_source,
    damaged,
    inspect_source,
    open_source,
    quick_check,
)


def check_intake(path: Path, *, check: Callable[[], None] | None = None) -> SourceFacts:
    """Facts of an intact SQLite database that holds at least one table.

    Raises UsageError (missing, a directory) or SourceRefused (empty, not SQLite, damaged, locked, no tables).
    """
    check_source(path)
    facts = inspect_source(path, check=check)
    with closing(open_source(path, text="surrogateescape", check=check)) as connection:
        findings = quick_check(connection, check=check)
        if findings:
            raise damaged(path, findings)
        if not read_catalog(connection).tables:
            raise SourceRefused(
                "source-no-tables",
                f"{path} holds no table",
                cause="the database is intact, but there is nothing to deploy in it",
                next_step="ask for the export again",
            )
    return facts
