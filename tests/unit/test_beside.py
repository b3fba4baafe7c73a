"""Work beside a stage: its result or its error comes out, and it never outlives the stage."""

from __future__ import annotations

import threading
import time

import pytest

from sdconsole.errors import Interrupted, SourceRefused
from sdconsole.stages.beside import Beside, Progress


def silent(_done: int, _total: int | None) -> None:
    pass


def for_ever(progress: Progress) -> int:
    while True:
        progress(7, 9)
        time.sleep(0.01)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("beside")]


def test_the_result_comes_out_and_the_stage_hears_how_far_it_is() -> None:
    told: list[tuple[int, int | None]] = []
    go = threading.Event()

    def work(progress: Progress) -> str:
        progress(3, 8)
        assert go.wait(10)
        return "done"

    def hear(done: int, total: int | None) -> None:
        told.append((done, total))
        if (3, 8) in told:
            go.set()

    with Beside(work) as beside:
        assert beside.result(hear) == "done"
    assert (3, 8) in told
    assert not threads()


def test_what_the_work_raises_comes_out() -> None:
    def work(_progress: Progress) -> None:
        raise SourceRefused("source-damaged", "the file is damaged")

    with Beside(work) as beside, pytest.raises(SourceRefused, match="damaged"):
        beside.result(silent)


def test_a_time_limit_of_the_work_itself_is_its_error_and_not_a_reason_to_wait() -> None:
    def work(_progress: Progress) -> None:
        raise TimeoutError("of its own")

    with Beside(work) as beside, pytest.raises(TimeoutError, match="of its own"):
        beside.result(silent)


def test_a_stage_that_halts_takes_the_work_down_with_it() -> None:
    def halt(done: int, _total: int | None) -> None:
        if done == 7:
            raise Interrupted

    with pytest.raises(Interrupted), Beside(for_ever) as beside:
        beside.result(halt)
    assert not threads()
    with pytest.raises(Interrupted), Beside(for_ever):
        raise Interrupted
    assert not threads()
