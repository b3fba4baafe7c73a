"""What follows from a column's counts: its detected type, whether it is what the column is for, what to do about it.

Pure functions of counts. A type is believed when at least so many percent of the values that are not missing have it
as the contract says.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdconsole.contract.model import Kind
from sdconsole.quality.profile.model import Recommendation, ValueClass

_DATE_CLASSES = frozenset({ValueClass.DATE, ValueClass.TIMESTAMP})
_NUMBER_CLASSES = frozenset({ValueClass.INTEGER, ValueClass.REAL})
_CLASS_OF_KIND = {
    Kind.INTEGER: ValueClass.INTEGER,
    Kind.DECIMAL: ValueClass.REAL,
    Kind.REAL: ValueClass.REAL,
    Kind.TEXT: ValueClass.TEXT,
    Kind.TIMESTAMP: ValueClass.TIMESTAMP,
    Kind.FLAG: ValueClass.TEXT,
    Kind.JSON: ValueClass.JSON,
}


def declared_class(declared_type: str) -> ValueClass:
    """What a declared type promises, by the affinity rules of SQLite ("Datatypes In SQLite", 3.1), dates apart."""
    upper = declared_type.upper()
    if "DATE" in upper or "TIMESTAMP" in upper:
        return ValueClass.TIMESTAMP
    if "INT" in upper:
        return ValueClass.INTEGER
    if any(part in upper for part in ("CHAR", "CLOB", "TEXT")):
        return ValueClass.TEXT
    if "BLOB" in upper:
        return ValueClass.BLOB
    if any(part in upper for part in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
        return ValueClass.REAL
    return ValueClass.UNKNOWN


def meant_for_dates(intended: Kind | None, declared_type: str) -> bool:
    """By the contract, or for a column that it does not know, by the declared type."""
    if intended is None:
        return declared_class(declared_type) is ValueClass.TIMESTAMP
    return intended is Kind.TIMESTAMP


def meant_for_numbers(intended: Kind | None, declared_type: str) -> bool:
    if intended is None:
        return declared_class(declared_type) in _NUMBER_CLASSES
    return intended in (Kind.INTEGER, Kind.DECIMAL, Kind.REAL)


def detect(classes: Mapping[ValueClass, int]) -> tuple[ValueClass, int]:
    """The class of the majority and how many cells have it; whole numbers count as reals, days as timestamps."""
    counts = {value_class: classes.get(value_class, 0) for value_class in ValueClass}
    if not any(counts.values()):
        return ValueClass.UNKNOWN, 0
    if counts[ValueClass.REAL]:
        counts[ValueClass.REAL] += counts.pop(ValueClass.INTEGER)
    if counts[ValueClass.TIMESTAMP]:
        counts[ValueClass.TIMESTAMP] += counts.pop(ValueClass.DATE)
    winner = max(counts, key=lambda value_class: counts[value_class])
    return winner, counts[winner]


def is_believed(matching: int, values: int, believed_percent: int) -> bool:
    return values > 0 and matching * 100 >= believed_percent * values


def is_mismatch(
    intended: Kind | None,
    declared_type: str,
    *,
    values: int,
    convertible: int,
    date_like: int,
    numbers: int,
    believed_percent: int,
    strange_percent: int,
) -> bool:
    """Whether the values are not what the column is for; a column without values never is one.

    Numbers: too few to be believed convert. Dates: more than `strange_percent` are not written as dates; numbers in a
    column that only its declared type calls a date are a way SQLite documents to store one, and no mismatch.
    """
    if not values:
        return False
    if meant_for_numbers(intended, declared_type):
        return not is_believed(convertible, values, believed_percent)
    if meant_for_dates(intended, declared_type):
        strangers = values - date_like - (numbers if intended is None else 0)
        return strangers * 100 > strange_percent * values
    return False


def recommend(
    intended: Kind | None,
    declared_type: str,
    detected: ValueClass,
    *,
    values: int,
    matching: int,
    convertible: int,
    believed_percent: int,
) -> Recommendation:
    """USE_DETECTED: as declared. OVERRIDE_SCHEMA: clear, but not as declared. MANUAL_REVIEW: not clear enough."""
    if not values:
        return Recommendation.EMPTY_COLUMN
    promised = declared_class(declared_type)
    if intended in (Kind.TEXT, Kind.FLAG):
        fits = promised in (ValueClass.TEXT, ValueClass.UNKNOWN)
        return Recommendation.USE_DETECTED if fits else Recommendation.OVERRIDE_SCHEMA
    if intended is None and promised is ValueClass.TEXT and detected in (ValueClass.TEXT, ValueClass.BOOLEAN):
        return Recommendation.USE_DETECTED
    if not is_believed(matching, values, believed_percent):
        return Recommendation.MANUAL_REVIEW
    if _agrees(promised, detected):
        return Recommendation.USE_DETECTED
    if (
        intended is None
        or is_believed(convertible, values, believed_percent)
        or _agrees(_CLASS_OF_KIND[intended], detected)
    ):
        return Recommendation.OVERRIDE_SCHEMA
    return Recommendation.MANUAL_REVIEW


def _agrees(promised: ValueClass, detected: ValueClass) -> bool:
    if promised is ValueClass.TIMESTAMP:
        return detected in _DATE_CLASSES
    if promised is ValueClass.REAL:
        return detected in _NUMBER_CLASSES
    return promised is detected
