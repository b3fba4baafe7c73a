"""Loads pieces in other processes beside this one, each with a connection of its own, and ends them when one fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Channel
from multiprocessing.connection import wait
from types import TracebackType
from typing import Final, Protocol, Self

from sdconsole.core.other_process import OtherProcess, end_processes, start_process
from sdconsole.errors import OperationFailed
from sdconsole.target.load.order import Answer, Committed, Copied, Failed, Order, Piece

_LOOK_SECONDS: Final = 0.1


class Watcher(Protocol):
    """Is told how the pieces get on. What it raises ends the load."""

    def copied(self, piece: Piece, rows: int, size_bytes: int) -> None:
        """So many rows and bytes of the piece are sent."""

    def committed(self, piece: Piece, rows: int) -> None:
        """The piece is loaded."""

    def waiting(self, busy: int) -> None:
        """Called about ten times a second while only other processes load; `busy` is how many."""


@dataclass(slots=True)
class _Loader:
    other: OtherProcess
    piece: Piece | None = None


class LoaderPool:
    """`with LoaderPool(count, order) as pool: pool.load(pieces, watcher, here)`. Leaving it ends every process."""

    def __init__(self, count: int, order: Order) -> None:
        self._loaders: list[_Loader] = []
        self._busy: dict[Channel, _Loader] = {}
        self._waiting: deque[Piece] = deque()
        try:
            for _ in range(count):
                self._loaders.append(_started(order))
        except BaseException:
            self.close()
            raise

    @property
    def busy(self) -> int:
        """How many processes are loading."""
        return len(self._busy)

    def load(self, pieces: Sequence[Piece], watcher: Watcher, here: Callable[[Piece], int]) -> None:
        """Returns when all pieces are committed. `here` loads one in this process, and calls `listen` meanwhile.

        Raises what a process, the watcher or `here` raised, and OperationFailed "loader-died" when a process ended
        without a word.
        """
        self._waiting = deque(pieces)
        own = self._waiting.popleft() if self._waiting else None  # the largest: the others have to start first
        for loader in self._loaders:
            self._give(loader)
        while own is not None:
            watcher.committed(own, here(own))
            self.listen(watcher)
            own = self._waiting.popleft() if self._waiting else None
        while self._busy:
            self.listen(watcher, seconds=_LOOK_SECONDS)
            watcher.waiting(self.busy)

    def listen(self, watcher: Watcher, *, seconds: float = 0.0) -> None:
        """Hears what the processes have said meanwhile, or say within these seconds, and gives them the next piece."""
        for channel in wait(list(self._busy), seconds):
            assert isinstance(channel, Channel)
            loader = self._busy[channel]
            piece = loader.piece
            assert piece is not None
            match _answer_of(loader):
                case Copied(rows, size_bytes):
                    watcher.copied(piece, rows, size_bytes)
                case Committed(rows):
                    self._give(loader)
                    watcher.committed(piece, rows)
                case Failed(error):
                    raise error

    def _give(self, loader: _Loader) -> None:
        """The next piece, or the word that there is no more. A dead process shows itself when it is listened to."""
        loader.piece = self._waiting.popleft() if self._waiting else None
        with suppress(ConnectionError):
            loader.other.channel.send(loader.piece)
        if loader.piece is None:
            self._busy.pop(loader.other.channel, None)
        else:
            self._busy[loader.other.channel] = loader

    def close(self, *, at_once: bool = True) -> None:
        """Ends the processes; the server rolls back what they have not committed."""
        end_processes([loader.other for loader in self._loaders], at_once=at_once)
        self._loaders.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(at_once=error is not None)


def _started(order: Order) -> _Loader:
    loader = _Loader(start_process("sdconsole.target.load.loader"))
    try:
        loader.other.channel.send(order)
    except ConnectionError as error:
        died = _died(loader)
        end_processes([loader.other], at_once=True)
        raise died from error
    return loader


def _answer_of(loader: _Loader) -> Answer:
    try:
        answer: Answer = loader.other.channel.recv()
    except (EOFError, ConnectionError) as error:
        raise _died(loader) from error
    return answer


def _died(loader: _Loader) -> OperationFailed:
    what = f"while it loaded {loader.piece.table.name}" if loader.piece else "before it loaded anything"
    return OperationFailed(
        "loader-died",
        f"a loading process ended {what}",
        cause=loader.other.ending(),
        next_step="a full memory ends processes with signal 9: see the system's log; then: sdconsole resume --jobs 1",
    )
