"""Loads pieces of a clean file, here or in a process of its own: `python -m sdconsole.target.load.loader DESCRIPTOR`.

Such a process gets its order and its pieces through the inherited descriptor and answers there. When whoever gave the
order is gone, it rolls back what it has begun and ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from multiprocessing.connection import Connection as Channel

import psycopg

from sdconsole.core.other_process import LeftAloneError, Owner
from sdconsole.errors import SdconsoleError
from sdconsole.target.connect import Connection, classify, connect
from sdconsole.target.ledger.record import record_step
from sdconsole.target.load.copy import load_table
from sdconsole.target.load.order import Committed, Copied, Failed, Order, Piece
from sdconsole.target.load.throttle import throttle


def load_piece(
    connection: Connection,
    order: Order,
    piece: Piece,
    *,
    progress: Callable[[int, int], None],
    pace: Callable[[int], None] | None,
) -> int:
    """Commits the piece, a whole table together with its step, and returns its rows; or raises and leaves nothing.

    `progress(rows, bytes)` hears what was sent so far, and may let the load rest for hours.
    """
    with connection.transaction():
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        rows = load_table(
            connection,
            order.clean,
            piece.table,
            order.version,
            numbers=piece.numbers,
            progress=progress,
            pace=pace,
        )
        if piece.numbers is None:
            record_step(connection, order.deployment_id, piece.table.name, rows)
    return rows


def main() -> None:
    """The process: takes pieces until there are no more."""
    with Channel(int(sys.argv[1])) as channel:
        try:
            _serve(Owner(channel))
        except LeftAloneError:
            sys.exit(1)


def _serve(owner: Owner) -> None:
    order: Order = owner.hear()
    try:
        with closing(connect(order.target, application=order.application)) as connection:
            pace = throttle(order.rows_per_second, owner.look)
            while (piece := owner.hear()) is not None:
                rows = load_piece(connection, order, piece, progress=partial(_tell, owner), pace=pace)
                owner.tell(Committed(rows))
    except psycopg.Error as error:
        owner.tell(Failed(classify(error)))
    except SdconsoleError as error:
        owner.tell(Failed(error))


def _tell(owner: Owner, rows: int, size_bytes: int) -> None:
    owner.look()
    owner.tell(Copied(rows, size_bytes))


if __name__ == "__main__":
    main()
