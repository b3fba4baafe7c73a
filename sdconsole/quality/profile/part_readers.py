"""Has the parts of a file read, by this process and, where that pays, by a second one beside it.

Both take the heaviest part that is left until there is none. This process holds a read transaction on the file all the
while: in a rollback-journal file nobody can commit then, so that both see the same rows. A file in WAL mode can be
written meanwhile; it is read by this process alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from sdconsole.core.other_process import OtherProcess, cores, end_processes, start_process
from sdconsole.errors import OperationFailed
from sdconsole.quality.profile.part_order import Answer, Failed, Order, Reached, Unable
from sdconsole.quality.profile.part_reader import read_part
from sdconsole.quality.profile.table_parts import Part, PartFacts
from sdconsole.source.file_check import identity

ENOUGH_BYTES: Final = 20_000_000
"""A smaller file is read before a second process has started."""
_LOOK_SECONDS: Final = 0.1

Progress = Callable[[int], None]


def readers_for(connection: sqlite3.Connection, order: Order) -> int:
    """How many processes read this file: 1 or 2."""
    if order.state is None or order.state.size_bytes < ENOUGH_BYTES or cores() < 2:
        return 1
    in_wal_mode = connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    return 1 if in_wal_mode or identity(order.path) != order.state else 2


@contextmanager
def second_reader(order: Order, *, wanted: bool) -> Iterator[OtherProcess | None]:
    """A process that waits for parts of the file, if it is `wanted`; leaving the block ends it."""
    if not wanted:
        yield None
        return
    other = start_process("sdconsole.quality.profile.part_reader")
    try:
        _send(other, order)
        yield other
    except BaseException:
        end_processes([other], at_once=True)
        raise
    end_processes([other], at_once=False)


def read_parts(
    connection: sqlite3.Connection,
    order: Order,
    parts: Sequence[Part],
    progress: Progress,
    *,
    other: OtherProcess | None,
) -> list[PartFacts]:
    """The facts of each part, in the order of the parts. `progress` is told the cells read so far, and may raise.

    Raises OperationFailed "reader-died" when the other process ended without a word.
    """
    work = _Work(parts, progress)
    setting = order.setting()
    beside = _Beside(other, work) if other is not None else None
    if beside is not None and not work.waiting:
        beside.await_the_rest()  # it has the only part
    while (index := work.take()) is not None:
        told = work.reacher(index)

        def reached(rows: int, told: Progress = told) -> None:
            if beside is not None:
                beside.listen()
            told(rows)

        work.finish(index, read_part(connection, parts[index], setting, reached))
        if beside is not None:
            beside.listen()
            if not work.waiting:
                beside.await_the_rest()
    return work.facts()


def _send(other: OtherProcess, words: object) -> None:
    """A dead process shows itself when it is listened to."""
    with suppress(ConnectionError):
        other.channel.send(words)


@dataclass(slots=True)
class _Work:
    """Which parts wait, and how far the others have got."""

    parts: Sequence[Part]
    progress: Progress
    waiting: list[int] = field(init=False)
    _found: dict[int, PartFacts] = field(init=False, default_factory=dict)
    _cells: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = sorted(range(len(self.parts)), key=lambda index: self.parts[index].weight)

    def take(self) -> int | None:
        """The heaviest part that waits."""
        return self.waiting.pop() if self.waiting else None

    def give_back(self, index: int) -> None:
        self.waiting.append(index)

    def reacher(self, index: int) -> Progress:
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


class _Beside:
    """What the other process is doing meanwhile."""

    def __init__(self, other: OtherProcess, work: _Work) -> None:
        self._other = other
        self._work = work
        self._part: int | None = None
        self._give()

    def _give(self) -> None:
        self._part = self._work.take()
        _send(self._other, None if self._part is None else self._work.parts[self._part])

    def listen(self, seconds: float = 0.0) -> None:
        """Hears what the process has said meanwhile, or says within these seconds."""
        while self._part is not None and self._other.channel.poll(seconds):
            seconds = 0.0
            match self._answer():
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

    def await_the_rest(self) -> None:
        while self._part is not None:
            self.listen(_LOOK_SECONDS)
            self._work.tell()

    def _answer(self) -> Answer:
        try:
            answer: Answer = self._other.channel.recv()
        except (EOFError, ConnectionError) as error:
            raise OperationFailed(
                "reader-died",
                "a process that read the file beside this one ended",
                cause=self._other.ending(),
                state="nothing was changed",
                next_step="a full memory ends processes with signal 9: see the system's log; then try again",
            ) from error
        return answer
