"""What work costs: dated tables in a file that the operator names, one for every figure in money.

Without such a file nothing is shown in money, and every such figure says why: a rate that nobody confirmed is no fact.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

from psycopg import sql
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from sdconsole.analytics.classes import load_classification
from sdconsole.errors import UsageError, from_os_error

NOT_SET: Final = "no rates are set: name a file of them in the settings (rates)"
_STRICT = ConfigDict(extra="forbid")
_Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Rate:
    """One ticket of a pattern: hours of work, money for an hour, and the day since which nobody works on it."""

    pattern: str
    hours: _Amount
    hourly_rate: _Amount
    automated_since: date | None = None


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class RateTable:
    """`hourly_rate` is for work that belongs to no pattern."""

    valid_from: date
    hourly_rate: _Amount
    rates: tuple[Rate, ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class RateFile:
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    table: tuple[RateTable, ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of one day. `currency` is the ISO 4217 code of everything in money."""

    currency: str
    hourly_rate: float
    rates: tuple[Rate, ...]

    def rows(self) -> sql.Composed:
        """Rows of an SQL VALUES list: pattern, hours, hourly rate, day of automation."""
        rows = [
            sql.SQL("({}, {}::float8, {}::float8, {}::date)").format(
                sql.Literal(rate.pattern),
                sql.Literal(rate.hours),
                sql.Literal(rate.hourly_rate),
                sql.Literal(rate.automated_since),
            )
            for rate in self.rates
        ]
        return sql.SQL(", ").join(rows)


NO_RATES: Final = sql.SQL("(NULL::text, NULL::float8, NULL::float8, NULL::date)")


def load_rates(path: Path | None, day: date | None = None) -> Rates | None:
    """The rates that hold on a day, today's by default: those of the newest table whose day has come; None = not set.

    Raises UsageError ("rates-invalid") and OperationFailed when the file cannot be read.
    """
    if path is None:
        return None
    try:
        found = TypeAdapter(RateFile).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise from_os_error(error, f"the rates in {path} cannot be read") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _invalid(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:  # TOML and UTF-8 errors are such
        raise _invalid(path, str(error)) from error
    wanted = {
        one.name for each in load_classification().lists if each.name == "automation_pattern" for one in each.classes
    }
    for table in found.table:
        named = [rate.pattern for rate in table.rates]
        if set(named) != wanted or len(named) != len(wanted):
            odd = sorted(set(named) ^ wanted) or ["one of them twice"]
            raise _invalid(path, f"the table of {table.valid_from} must name every pattern once: {', '.join(odd)}")
    today = day or datetime.now(UTC).date()
    valid = [table for table in found.table if table.valid_from <= today]
    if not valid:
        return None
    newest = max(valid, key=lambda table: table.valid_from)
    return Rates(found.currency, newest.hourly_rate, newest.rates)


def _invalid(path: Path, cause: str) -> UsageError:
    return UsageError(
        "rates-invalid",
        f"the rates in {path} cannot be used",
        cause=cause,
        next_step="correct the file; README shows what it holds",
    )
