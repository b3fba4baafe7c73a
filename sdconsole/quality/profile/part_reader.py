"""Reads parts of a file, here or in a process of its own: `python -m sdconsole.quality.profile.part_reader DESCRIPTOR`.

Such a process gets its order and its parts through the inherited descriptor and answers there. It reads only the very
file that whoever gave the order holds open, and ends when that one is gone.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection as Channel
from typing import Final

from sdconsole.core.other_process import LeftAloneError, Owner
from sdconsole.errors import SdconsoleError
from sdconsole.quality.profile.part_order import Failed, Order, Reached, Unable
from sdconsole.quality.profile.table_parts import Part, PartFacts
from sdconsole.quality.profile.table_pass import Setting, TablePass
from sdconsole.source.file_check import changing, identity
from sdconsole.source.open import open_source, reading

ROWS_BETWEEN_REPORTS: Final = 4_096
_UNDECODABLE: Final = "Could not decode to UTF-8"


def read_part(
    connection: sqlite3.Connection, part: Part, setting: Setting, reached: Callable[[int], None]
) -> PartFacts:
    """All rows of the part. `reached` is told how many of them are read, and may raise."""
    try:
        return TablePass(part, setting).run(connection, _adding(reached))
    except sqlite3.OperationalError as error:
        if not str(error).startswith(_UNDECODABLE) or connection.text_factory is not str:
            raise
    # The fast way decodes in C and stops at bytes that are no UTF-8; this way keeps them as lone surrogates.
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return TablePass(part, setting).run(connection, _adding(reached))


def _adding(reached: Callable[[int], None]) -> Callable[[int], None]:
    """Turns the rows of each chunk into the rows so far, told often enough and at every second look (0 rows)."""
    done = told = 0

    def advance(rows: int) -> None:
        nonlocal done, told
        done += rows
        if not rows or done - told >= ROWS_BETWEEN_REPORTS:
            told = done
            reached(done)

    return advance


def main() -> None:
    """The process: takes parts until there are no more."""
    with Channel(int(sys.argv[1])) as channel:
        try:
            _serve(Owner(channel))
        except LeftAloneError:
            sys.exit(1)


def _serve(owner: Owner) -> None:
    order: Order = owner.hear()
    try:
        connection = _opened(order)
    except SdconsoleError:
        # The one who gave the order holds the file open and can read it alone.
        owner.tell(Unable())
        return
    setting = order.setting()

    def reached(rows: int) -> None:
        owner.look()
        owner.tell(Reached(rows))

    try:
        with closing(connection), reading(connection, str(order.path)):
            connection.execute("BEGIN")
            while (part := owner.hear()) is not None:
                owner.tell(read_part(connection, part, setting, reached))
    except SdconsoleError as error:
        owner.tell(Failed(error))


def _opened(order: Order) -> sqlite3.Connection:
    connection = open_source(order.path)
    if identity(order.path) != order.state:
        connection.close()
        raise changing(order.path)
    return connection


if __name__ == "__main__":
    main()
