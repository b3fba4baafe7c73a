"""The folders of runs: who holds one, and what becomes of those that never began."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdconsole.core import runs
from sdconsole.errors import TargetLocked

RUN, OTHER = "r-20261121-031500-7f3a", "r-20261121-031501-0000"


def test_a_claimed_folder_is_private_and_held_until_it_is_let_go(tmp_path: Path) -> None:
    with runs.claimed_folder(tmp_path, RUN) as folder:
        assert folder == tmp_path / "runs" / RUN
        assert folder.stat().st_mode & 0o777 == 0o700
        assert runs.is_alive(folder)
        with pytest.raises(TargetLocked, match="executed by another process"), runs.claimed_folder(tmp_path, RUN):
            pass
    assert not runs.is_alive(folder)
    with runs.claimed_folder(tmp_path, RUN) as again:
        assert again == folder
    assert [path.name for path in folder.parent.iterdir()] == [RUN]


def test_what_a_killed_start_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    with runs.claimed_folder(tmp_path, OTHER) as killed:
        (killed / ".plan.json.3e511a41.tmp").write_text("{")
    began = tmp_path / "runs" / "r-20261121-031502-0000"
    began.mkdir()
    (began / runs.JOURNAL).touch()
    with runs.claimed_folder(tmp_path, RUN) as starting:
        runs.remove_unborn(tmp_path)
        assert starting.is_dir()
        assert began.is_dir()
        assert not killed.exists()
