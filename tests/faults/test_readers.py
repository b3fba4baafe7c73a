"""Fifty cutovers and rollbacks under eight readers, one of them busy with a query of twenty seconds."""

from __future__ import annotations

import pytest

from tests.patience import within
from tests.stages.live_world import fresh_world
from tests.stages.readers import prove


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("switches", [50, 200])
def test_eight_readers_notice_nothing_of_many_switches(pg_server: str, switches: int) -> None:
    with fresh_world(pg_server) as world:
        proof = prove(world, switches=switches, long_seconds=20)
    print(*proof.lines(), sep="\n")
    assert (proof.errors, proof.mixed) == ([], [])
    assert proof.longest_lock_wait < within(0.5)
    assert proof.longest_seconds < within(0.5)
