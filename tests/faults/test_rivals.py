"""Others are at work on the same target: readers that hold live, and other operators who start at the same moment."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from tests.faults import checker
from tests.faults.trials import COMPLETE, SIMPLE, Site, Sites, kill_at, killed, pause_when_started
from tests.patience import within

STALL_SECONDS = 0.5
"""200 ms of waiting for the lock, and what a busy machine adds."""


@dataclass(slots=True)
class Readers:
    """Small queries on a live view, one after the other; how long each of them took."""

    dsn: str
    seconds: list[float] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                while not self.over.is_set():
                    began = time.monotonic()
                    connection.execute('SELECT count("TKT-Ticket ID") FROM servicedesk.tickets').fetchone()
                    self.seconds.append(time.monotonic() - began)
                    self.over.wait(0.005)
        except psycopg.Error as error:
            self.errors.append(error)


@contextmanager
def reading(dsn: str) -> Iterator[Readers]:
    readers = Readers(dsn)
    thread = threading.Thread(target=readers.read)
    thread.start()
    try:
        yield readers
    finally:
        readers.over.set()
        thread.join()


def live_held(site: Site, rng: random.Random) -> None:
    """A report holds a live view in an open transaction for longer than the operator wants to wait."""
    site.environment["SDCONSOLE_CUTOVER_DEADLINE_SECONDS"] = "1.5"
    fault = pause_when_started("cutover")
    process = site.start_deploy(fault=fault)
    site.wait_until_fired(process)
    with (
        psycopg.connect(site.admin_dsn, application_name="quarterly report") as holder,
        reading(site.admin_dsn) as seen,
    ):
        view = rng.choice(["tickets", "comments", "v_user_activity"])
        holder.execute(f"SELECT count(*) FROM servicedesk.{view}")
        time.sleep(rng.choice([0, 1.2]))  # young: attempts are made and fail; old: it is waited for without an attempt
        site.go()
        ended = process.wait()
        document = site.told(ended)
        assert (ended.code, document["error"]["slug"]) == (124, "cutover-lock"), ended.err
        assert f"pid {holder.info.backend_pid}" in document["error"]["cause"], document["error"]
        assert f"blockers --cancel {holder.info.backend_pid}, " in document["error"]["next"], document["error"]
        assert f"waiting: pid {holder.info.backend_pid}" in ended.err
    assert not seen.errors
    assert len(seen.seconds) > 50
    assert max(seen.seconds) < within(STALL_SECONDS), f"a reader waited {max(seen.seconds):.2f} s"
    site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


def statement_cancelled(site: Site, rng: random.Random) -> None:
    """The server cancels what the run executes, as a time limit of the server's would."""
    with psycopg.connect(site.admin_dsn, autocommit=True) as admin:
        fault = pause_when_started(rng.choice(["canary", "load"] if site.mode == COMPLETE else ["load"]))
        process = site.start_deploy(fault=fault)
        site.wait_until_fired(process)
        site.go()
        struck = 0
        while process.running:
            struck += len(admin.execute(CANCEL).fetchall())
    ended = process.wait()
    document = site.told(ended)
    assert struck, "no statement was cancelled"
    assert (ended.code, document["error"]["slug"]) == (124, "statement-timeout"), ended.err
    site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


CANCEL = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'sdconsole:r-%' AND state = 'active' AND query LIKE 'COPY%'
"""


def operators_at_once(site: Site, rng: random.Random) -> None:
    """Two to four start together. One gets the target, and while it works nobody else does; all of them are told."""
    fault = pause_when_started("preflight")
    number = rng.randint(2, 4)
    others = [site.start_deploy("--until", "preflight", fault=fault) for _ in range(number - 1)]
    others.append(site.start_rollback(fault=pause_when_started("rollback")))
    give_up = time.monotonic() + 30
    while sum(process.running for process in others) > 1:
        at_work = [path for path in site.journals() if b'"type":"stage_started"' in path.read_bytes()]
        assert len(at_work) < 2, "more than one works on the target"
        assert time.monotonic() < give_up, "nobody is told that another one works"
        time.sleep(0.005)
    [winner] = [process for process in others if process.running]
    site.wait_until_fired(winner)
    [journal] = [path for path in site.journals() if path.stat().st_size]
    run = journal.parent.name
    for process in others:
        if process is winner:
            continue
        ended = process.wait()
        document = site.told(ended)
        assert (ended.code, document["error"]["slug"]) == (8, "target-locked"), ended.err
        assert run in document["error"]["cause"], document["error"]
        assert f"pid {winner.pid}" in document["error"]["cause"], document["error"]
    winner.kill()
    assert winner.wait().code == -9
    site.check_standing(site.rehearsed.old, site.rehearsed.before_old)


def same_run_resumed_twice(site: Site, rng: random.Random) -> None:
    """Two operators carry on the same dead run at the same moment."""
    killed(site, site.start_deploy(fault=kill_at("score", "stage_finished", "after")))
    fault = pause_when_started(rng.choice(["preflight", "canary", "cutover"]))
    both = [site.start_resume(fault=fault) for _ in range(2)]
    give_up = time.monotonic() + 30
    while all(process.running for process in both):
        assert time.monotonic() < give_up, "both execute the run"
        time.sleep(0.002)
    winner, loser = sorted(both, key=lambda process: not process.running)
    ended = loser.wait()
    document = site.told(ended)
    assert (ended.code, document["error"]["slug"]) in ((8, "run-active"), (8, "target-locked")), ended.err
    assert str(winner.pid) in document["error"]["cause"], document["error"]
    site.go()
    site.check_deployed(winner.wait())


def deployments_at_once(site: Site, rng: random.Random) -> None:
    """Whole deployments race; who is told to wait tries again, as an operator would. One after the other goes live."""
    number = rng.randint(2, 3)
    waiting = [site.start_deploy() for _ in range(number)]
    done, refused = 0, 0
    while waiting:
        process = waiting.pop(0)
        ended = process.wait()
        document = site.told(ended)
        if ended.code == 0:
            done += 1
            continue
        assert (ended.code, document["error"]["slug"]) == (8, "target-locked"), ended.err
        refused += 1
        time.sleep(rng.uniform(0.1, 0.4))
        waiting.append(site.start_deploy())
        assert refused < 200, "nobody ever gets the target"
    assert done == number
    assert refused, "they never met"
    site.check_standing(site.rehearsed.new)
    with psycopg.connect(site.admin_dsn) as admin:
        switches = admin.execute(
            "SELECT detail ->> 'from', version FROM sdconsole.event WHERE kind = 'cutover' ORDER BY id"
        ).fetchall()
    assert [before for before, _ in switches[1:]] == [after for _, after in switches[:-1]], "a switch was overlooked"
    checker.check_files(site.state, site.temporary)


def test_a_reader_that_holds_live_is_waited_for_named_and_not_queued_behind(sites: Sites, first_seed: int) -> None:
    sites.run(live_held, range(first_seed, first_seed + 5), modes=(SIMPLE,))


def test_a_cancelled_statement_is_a_time_limit_and_resume_finishes(sites: Sites, first_seed: int) -> None:
    sites.run(statement_cancelled, range(first_seed, first_seed + 5), modes=(SIMPLE, COMPLETE))


def test_of_operators_who_start_together_one_wins_and_the_others_are_told(sites: Sites, first_seed: int) -> None:
    sites.run(operators_at_once, range(first_seed, first_seed + 45))


def test_a_run_is_carried_on_by_one_operator_only(sites: Sites, first_seed: int) -> None:
    sites.run(same_run_resumed_twice, range(first_seed, first_seed + 3))


def test_deployments_that_race_go_live_one_after_the_other(sites: Sites, first_seed: int) -> None:
    sites.run(deployments_at_once, range(first_seed, first_seed + 2), modes=(SIMPLE,))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_rivals(sites: Sites, first_seed: int) -> None:
    sites.run(operators_at_once, range(first_seed, first_seed + 500))
    sites.run(same_run_resumed_twice, range(first_seed, first_seed + 50))
    sites.run(deployments_at_once, range(first_seed, first_seed + 50))
    sites.run(live_held, range(first_seed, first_seed + 50))
    sites.run(statement_cancelled, range(first_seed, first_seed + 50))
