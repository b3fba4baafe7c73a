"""Has the parts of a file read, by this process and, where that pays, by a second one beside it.

Both take the largest part that is left until there is none. This process holds a read transaction on the file all the
while: in a rollback-journal file nobody can commit then, so that both see the same rows. A file in WAL mode can be
written meanwhile; it is read by this process alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from sdconsole.core.other_process import OtherProcess, cores, end_processes, start_process
from sdconsole.errors import OperationFailed
from sdconsole.quality.part_order import Answer, Failed, Order, Reached, Unable
from sdconsole.quality.part_reader import read_part
from sdconsole.quality.table_parts import Part, PartFacts
from sdconsole.source.file_check import identity

ENOUGH_CELLS: Final = 1_000_000
"""Fewer are read before a second process has started."""
_LOOK_SECONDS: Final = 0.1


def readers_for(connection: sqlite3.Connection, order: Order, cells: int) -> int:
    """How many processes read so many cells of this file: 1 or 2."""
    if cells < ENOUGH_CELLS or cores() < 2 or identity(order.path) != order.state:
        return 1
    return 1 if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal" else 2


def read_parts(
    connection: sqlite3.Connection,
    order: Order,
    parts: Sequence[Part],
    progress: Callable[[int], None],
    *,
    processes: int,
) -> list[PartFacts]:
    """The facts of each part, in the order of the parts. `progress` is told the cells read so far, and may raise.

    Raises OperationFailed "reader-died" when the second process ended without a word.
    """
    work = _Work(parts, progress)
    setting = order.setting()
    if processes < 2:
        while (index := work.take()) is not None:
            work.finish(index, read_part(connection, parts[index], setting, work.reacher(index)))
        return work.facts()
    with _SecondReader(order, work) as second:
        while (index := work.take()) is not None:
            told = work.reacher(index)

            def reached(rows: int, told: Callable[[int], None] = told) -> None:
                second.listen()
                told(rows)

            work.finish(index, read_part(connection, parts[index], setting, reached))
            second.listen()
            if not work.waiting:
                second.await_the_rest()
    return work.facts()


@dataclass(slots=True)
class _Work:
    """Which parts wait, and how far the others have got."""

    parts: Sequence[Part]
    progress: Callable[[int], None]
    waiting: list[int] = field(init=False)
    _found: dict[int, PartFacts] = field(init=False, default_factory=dict)
    _cells: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = sorted(range(len(self.parts)), key=lambda index: self.parts[index].cells)

    def take(self) -> int | None:
        """The largest part that waits."""
        return self.waiting.pop() if self.waiting else None

    def give_back(self, index: int) -> None:
        self.waiting.append(index)

    def reacher(self, index: int) -> Callable[[int], None]:
        width = len(self.parts[index].source.columns)

        def reached(rows: int) -> None:
            self._cells[index] = rows * width
            self.tell()

        return reached

    def finish(self, index: int, facts: PartFacts) -> None:
        self._found[index] = facts
        self._cells[index] = self.parts[index].cells
        self.tell()

    def tell(self) -> None:
        self.progress(sum(self._cells.values()))

    def facts(self) -> list[PartFacts]:
        return [self._found[index] for index in range(len(self.parts))]


class _SecondReader:
    """The other process. Leaving the block ends it."""

    def __init__(self, order: Order, work: _Work) -> None:
        self._work = work
        self._part: int | None = None
        self._other: OtherProcess | None = start_process("sdconsole.quality.part_reader")
        self._send(order)
        self._give()

    def _send(self, words: object) -> None:
        """A dead process shows itself when it is listened to."""
        if self._other is not None:
            with suppress(ConnectionError):
                self._other.channel.send(words)

    def _give(self) -> None:
        self._part = self._work.take()
        self._send(None if self._part is None else self._work.parts[self._part])

    def listen(self, seconds: float = 0.0) -> None:
        """Hears what the process has said meanwhile, or says within these seconds."""
        while self._other is not None and self._part is not None and self._other.channel.poll(seconds):
            match self._answer(self._other):
                case Reached(rows):
                    self._work.reacher(self._part)(rows)
                case PartFacts() as facts:
                    self._work.finish(self._part, facts)
                    self._give()
                case Failed(error):
                    raise error
                case Unable():
                    self._work.give_back(self._part)
                    self._part = None
            seconds = 0.0

    def await_the_rest(self) -> None:
        while self._part is not None:
            self.listen(_LOOK_SECONDS)
            self._work.tell()

    def _answer(self, other: OtherProcess) -> Answer:
        try:
            answer: Answer = other.channel.recv()
        except (EOFError, ConnectionError) as error:
            raise OperationFailed(
                "reader-died",
                "a process that read the file beside this one ended",
                cause=other.ending(),
                state="nothing was changed",
                next_step="a full memory ends processes with signal 9: see the system's log; then try again",
            ) from error
        return answer

    def close(self, *, at_once: bool) -> None:
        if self._other is not None:
            end_processes([self._other], at_once=at_once)
            self._other = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(at_once=error is not None)
