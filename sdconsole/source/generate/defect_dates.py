"""Defects of dates: cells rewritten in another shape, made impossible or moved, and which dates may get that."""

from __future__ import annotations

from datetime import datetime
from random import Random

from sdconsole.source.generate import date_shapes as shapes
from sdconsole.source.generate.cells import Cell, Row
from sdconsole.source.generate.clock import DAYS
from sdconsole.source.generate.defects import Expect
from sdconsole.source.generate.inject import Change, Changed

_FUTURE = (DAYS.index("2026-01-15"), DAYS.index("2026-07-01"))


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


def in_the_future(_value: Cell, _row: Row, number: int, _rng: Random) -> Changed:
    first, last = _FUTURE
    day = f"{DAYS[last - number * 7 % (last - first + 1)]} 00:00:00"
    return Changed(day, Expect.KEPT, day)


def written_date(value: Cell, _row: Row, _number: int) -> bool:
    return isinstance(value, str) and len(value) == len("2025-07-15 08:42:00")


def after_12th(value: Cell, row: Row, number: int) -> bool:
    return written_date(value, row, number) and int(str(value)[8:10]) > 12


def until_12th(value: Cell, row: Row, number: int) -> bool:
    return written_date(value, row, number) and int(str(value)[8:10]) <= 12
