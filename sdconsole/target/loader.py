"""Loads pieces of a clean file, here or in a process of its own: `python -m sdconsole.target.loader DESCRIPTOR`.

Such a process gets its order and its pieces through the inherited descriptor and answers there. When whoever gave the
order is gone, it rolls back what it has begun and ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection as Channel
from typing import Any

import psycopg

from sdconsole.errors import SdconsoleError
from sdconsole.target.connect import Connection, classify, connect
from sdconsole.target.copy import load_table
from sdconsole.target.ledger import record_step
from sdconsole.target.load_order import Answer, Committed, Copied, Failed, Order, Piece
from sdconsole.target.throttle import throttle


class _LeftAloneError(Exception):
    """The other end of the channel is closed."""


def load_piece(
    connection: Connection,
    order: Order,
    piece: Piece,
    *,
    progress: Callable[[int], None],
    pace: Callable[[int], None] | None,
) -> int:
    """Commits the piece, a whole table together with its step, and returns its rows; or raises and leaves nothing."""
    with connection.transaction():
        rows = load_table(
            connection,
            order.clean,
            piece.table,
            order.version,
            numbers=piece.numbers,
            progress=lambda done, _total: progress(done),
            pace=pace,
        )
        if piece.numbers is None:
            record_step(connection, order.deployment_id, piece.table.name, rows)
    return rows


def main() -> None:
    """The process: takes pieces until there are no more."""
    with Channel(int(sys.argv[1])) as channel:
        try:
            _serve(channel)
        except _LeftAloneError:
            sys.exit(1)


def _serve(channel: Channel) -> None:
    order: Order = _received(channel)
    try:
        with closing(connect(order.target, application=order.application)) as connection:
            pace = throttle(order.rows_per_second, lambda seconds: _look(channel, seconds))
            while (piece := _received(channel)) is not None:
                rows = load_piece(connection, order, piece, progress=lambda done: _tell(channel, done), pace=pace)
                _answer(channel, Committed(rows))
    except psycopg.Error as error:
        _answer(channel, Failed(classify(error)))
    except SdconsoleError as error:
        _answer(channel, Failed(error))


def _received(channel: Channel) -> Any:
    try:
        return channel.recv()
    except (EOFError, ConnectionError) as error:
        raise _LeftAloneError from error


def _tell(channel: Channel, done: int) -> None:
    _look(channel, 0.0)
    _answer(channel, Copied(done))


def _look(channel: Channel, seconds: float) -> None:
    """Waits, unless the other end closes: nothing else comes while a piece is in work."""
    if channel.poll(seconds):
        raise _LeftAloneError


def _answer(channel: Channel, answer: Answer) -> None:
    try:
        channel.send(answer)
    except ConnectionError as error:
        raise _LeftAloneError from error


if __name__ == "__main__":
    main()
