"""What the process that reads parts of a file is told, and what it answers, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sdconsole.contract.model import Contract, DateOrder
from sdconsole.errors import SdconsoleError
from sdconsole.quality.dates.reading import date_reader
from sdconsole.quality.profile.table_parts import PartFacts
from sdconsole.quality.profile.table_pass import Setting
from sdconsole.source.file_check import Identity


@dataclass(frozen=True, slots=True)
class Order:
    """What all parts of one file share."""

    path: Path
    state: Identity | None
    """Of the file that is to be read."""
    contract: Contract
    as_of: datetime
    answers: Mapping[tuple[str, str], DateOrder]
    sample_count: int

    def setting(self) -> Setting:
        return Setting(self.contract, date_reader(self.contract, self.as_of), self.answers, self.sample_count)


@dataclass(frozen=True, slots=True)
class Unable:
    """The process could not open the file and has ended; it has read nothing."""


@dataclass(frozen=True, slots=True)
class Reached:
    """So many rows of the part in work are read."""

    rows: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The part cannot be read, and the process has ended."""

    error: SdconsoleError


Answer = Unable | Reached | PartFacts | Failed
