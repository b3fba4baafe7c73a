"""The server dies under a run: one backend, the postmaster, or a restart between two stages. On a server of its own."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sdconsole.target.embedded.server import EmbeddedServer
from tests.faults.conftest import rehearse
from tests.faults.processes import Launcher
from tests.faults.trials import COMPLETE, SIMPLE, STAGES, Fault, Site, Sites, pause_at, pause_when_started

IN_COPY = "sdconsole.target.load.copy:_send"
PLACES: dict[str, Fault] = {
    "copy": pause_at(IN_COPY, nth=16),
    "validate": pause_at("sdconsole.stages.validate:run_queries"),
    "before commit": pause_at("sdconsole.target.live.attempt:commit"),
    "after commit": pause_at("sdconsole.target.live.attempt:commit", when="after"),
}


@pytest.fixture(scope="module")
def scratch(fault_folder: Path) -> Iterator[EmbeddedServer]:
    """A server that may be killed."""
    server = EmbeddedServer(fault_folder / "scratch", durable=False)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def scratch_sites(scratch: EmbeddedServer, commands: Launcher, fault_folder: Path) -> Sites:
    made = rehearse(scratch.dsn("postgres", superuser=True), commands, fault_folder / "scratch-rehearsal")
    return Sites(commands, made, fault_folder)


def postmaster(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def sessions(site: Site) -> list[int]:
    """The run's own backends: the loading or switching one, and the one that holds the lock."""
    with psycopg.connect(site.admin_dsn) as admin:
        found = admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'sdconsole:%' ORDER BY pid"
        ).fetchall()
    return [pid for (pid,) in found]


def until_gone(backends: list[int]) -> None:
    """The death of one of the server's processes ends all others, each as soon as it notices."""
    give_up = time.monotonic() + 30
    while any(psutil.pid_exists(pid) for pid in backends):
        assert time.monotonic() < give_up, f"still there: {backends}"
        time.sleep(0.01)


def answers_again(server: EmbeddedServer, site: Site) -> None:
    """After a crash the server recovers by itself; a killed postmaster is started by the operator."""
    give_up = time.monotonic() + 30
    while True:
        server.start()
        try:
            psycopg.connect(site.admin_dsn).close()
        except psycopg.OperationalError:
            assert time.monotonic() < give_up, "the server does not come back"
            time.sleep(0.05)
        else:
            return


def killed_under(server: EmbeddedServer, site: Site, rng: random.Random, place: str, victim: str) -> None:
    """The command ends by itself and tells the truth, live is whole, and resume finishes the job."""
    late = place == "copy" and site.mode == SIMPLE  # no canary was copied before
    process = site.start_deploy(fault=pause_at(IN_COPY, nth=6) if late else PLACES[place])
    site.wait_until_fired(process)
    backends = sessions(site)
    os.kill(postmaster(server) if victim == "postmaster" else rng.choice(backends), signal.SIGKILL)
    until_gone(backends)
    site.go()
    if place == "before commit":
        answers_again(server, site)  # it looks for the outcome of its COMMIT until the server answers
    ended = process.wait()
    answers_again(server, site)
    document = site.told(ended)
    if place == "after commit":
        assert document["live_changed"] is True, (site.mode, ended)
        assert ended.code in (0, 3, 9), ended.err
        site.check_standing(site.rehearsed.new)
    else:
        assert document["live_changed"] is False
        assert ended.code == 3, ended.err
        site.check_standing(site.rehearsed.old)
    site.check_deployed(ended if ended.code == 0 else site.start_resume().wait())


def restarted_between(server: EmbeddedServer, site: Site, stages: tuple[str, ...]) -> None:
    """The server crashes and recovers in each of these gaps of one run; each time the run is carried on."""
    for stage in stages:
        fault = pause_when_started(stage)
        process = site.start_resume(fault=fault) if site.journals() else site.start_deploy(fault=fault)
        site.wait_until_fired(process)
        server.stop("immediate")
        answers_again(server, site)
        site.go()
        ended = process.wait()
        document = site.told(ended)
        switched = document["live_changed"]
        assert switched == (STAGES.index(stage) > STAGES.index("cutover")), stage
        site.check_standing(site.rehearsed.new if switched else site.rehearsed.old)
        if ended.code == 0:
            site.check_deployed(ended)
            return
        assert ended.code == (9 if switched else 3), ended.err
    site.check_deployed(site.start_resume().wait())


@pytest.mark.parametrize("victim", ["backend", "postmaster"])
@pytest.mark.parametrize("place", PLACES)
def test_a_server_process_killed_under_a_run_costs_a_retry(
    scratch: EmbeddedServer, scratch_sites: Sites, first_seed: int, place: str, victim: str
) -> None:
    rng = random.Random(first_seed)
    for mode in (COMPLETE, SIMPLE):
        with scratch_sites.site(mode=mode) as site:
            killed_under(scratch, site, rng, place, victim)


def test_a_server_restarted_between_stages_costs_a_retry(scratch: EmbeddedServer, scratch_sites: Sites) -> None:
    with scratch_sites.site() as site:
        restarted_between(scratch, site, STAGES[1:])


@pytest.mark.long
@pytest.mark.timeout(10_800)
def test_many_server_processes_killed(scratch: EmbeddedServer, scratch_sites: Sites, first_seed: int) -> None:
    rng = random.Random(first_seed)
    for number in range(100 * len(PLACES) * 2):
        place, victim = list(PLACES)[number % len(PLACES)], ("backend", "postmaster")[number // len(PLACES) % 2]
        with scratch_sites.site() as site:
            try:
                killed_under(scratch, site, rng, place, victim)
            except AssertionError as error:
                error.add_note(f"seed {first_seed}, trial {number}: {victim} killed at {place}")
                raise


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_server_restarted_in_every_gap(scratch: EmbeddedServer, scratch_sites: Sites) -> None:
    for _ in range(5):
        with scratch_sites.site() as site:
            restarted_between(scratch, site, STAGES[1:])
