"""What a validation found out about one thing, good or bad, as data."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.core.model import CheckStatus


@dataclass(frozen=True, slots=True)
class Finding:
    """`table` and `column` are the export's names; "" where the finding is about something larger."""

    check: str
    table: str
    column: str
    status: CheckStatus
    measured: str
    expected: str
    about: str

    @property
    def detail(self) -> str:
        """One sentence that names table and column."""
        where = ".".join(part for part in (self.table, self.column) if part)
        what = f"{where}: {self.about}" if where else self.about
        if self.status is CheckStatus.PASS or not self.expected:
            return f"{what}{f' ({self.measured})' if self.measured else ''}"
        return f"{what} is {self.measured}, expected {self.expected}"


def passed(check: str, about: str, *, table: str = "", column: str = "", measured: str = "") -> Finding:
    return Finding(check, table, column, CheckStatus.PASS, measured, measured, about)


def failed(check: str, about: str, *, table: str = "", column: str = "", measured: str, expected: str) -> Finding:
    return Finding(check, table, column, CheckStatus.FAIL, measured, expected, about)
