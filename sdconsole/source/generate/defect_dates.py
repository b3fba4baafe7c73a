"""Defects of dates: cells rewritten in another shape, made impossible or moved, and which dates may get that."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from sdconsole.source.generate import date_shapes as shapes
from sdconsole.source.generate.cells import Cell, Row
from sdconsole.source.generate.defects import Expect
from sdconsole.source.generate.inject import Change, Changed

_FEWEST_DAYS_AHEAD, _MOST_DAYS_AHEAD = 66, 233


def reshaped(shape: shapes.Shape) -> Change:
    def change(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
        stored, meant = shape(datetime.fromisoformat(str(value)), number)
        return Changed(stored, Expect.CONVERTED, meant.isoformat(" "))

    return change


def unresolved(shape: shapes.Shape) -> Change:
    def change(value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
        return Changed(shape(datetime.fromisoformat(str(value)), number)[0], Expect.VALUE_QUARANTINED)

    return change


def impossible(texts: tuple[str, ...], expect: Expect) -> Change:
    def change(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
        return Changed(texts[number % len(texts)], expect)

    return change


def in_the_future(as_of: date) -> Change:
    """Days beyond what is plausible on that day, as far as people book their holidays ahead."""

    def change(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
        ahead = _MOST_DAYS_AHEAD - number * 7 % (_MOST_DAYS_AHEAD - _FEWEST_DAYS_AHEAD + 1)
        day = f"{as_of + timedelta(days=ahead)} 00:00:00"
        return Changed(day, Expect.KEPT, day)

    return change


def written_date(value: Cell, _row: Row, _number: int) -> bool:
    return isinstance(value, str) and len(value) == len("2025-07-15 08:42:00")


def after_12th(value: Cell, row: Row, number: int) -> bool:
    return written_date(value, row, number) and int(str(value)[8:10]) > 12


def until_12th(value: Cell, row: Row, number: int) -> bool:
    return written_date(value, row, number) and int(str(value)[8:10]) <= 12
