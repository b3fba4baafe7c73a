"""The link to the server breaks: reset in the middle of COPY, silence, and a COMMIT whose reply is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.proxy import How, Proxy, proxy
from tests.faults.trials import SIMPLE, Fault, Site, Sites, pause_at, pause_when_started

COMMIT = b"COMMIT\x00"
BEFORE_COMMIT = pause_at("sdconsole.target.live.attempt:commit")
IN_COPY = "sdconsole.target.load.copy:_send"
COPY = b'COPY "servicedesk_v'


@contextmanager
def behind_proxy(site: Site) -> Iterator[tuple[Proxy, str]]:
    """A proxy and the product's connection string through it."""
    place = conninfo_to_dict(site.dsn)
    with proxy(str(place["host"]), int(str(place["port"]))) as made:
        yield made, make_conninfo(site.dsn, port=made.port, sslmode="disable")


def reset_in_copy(site: Site, rng: random.Random) -> None:
    """The link is reset at three places of three loads, then a fourth goes through."""
    with behind_proxy(site) as (link, dsn):
        for attempt in range(3):
            strike = link.arm(COPY, "reset", more=rng.randrange(1, 300_000))
            process = site.start_resume() if attempt else site.start_deploy(dsn=dsn)
            ended = process.wait()
            assert strike.fired == 1, "the link was never cut"
            document = site.told(ended)
            assert (ended.code, document["error"]["slug"]) == (3, "connection-lost"), ended.err
            site.check_standing(site.rehearsed.old)
        site.check_deployed(site.start_resume().wait())


def backend_ended_in_copy(site: Site, rng: random.Random) -> None:
    """An administrator ends the loading session; the statement is cancelled in the next attempt."""
    for call, code in (("pg_terminate_backend", 3), ("pg_cancel_backend", 124)):
        fault = pause_at(IN_COPY, nth=rng.randrange(1, 10))
        process = site.start_resume(fault=fault) if site.journals() else site.start_deploy(fault=fault)
        site.wait_until_fired(process)
        with psycopg.connect(site.admin_dsn, autocommit=True) as admin:
            struck = admin.execute(
                f"SELECT {call}(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'sdconsole:%' AND query LIKE 'COPY%'"
            ).fetchall()
        assert struck == [(True,)], f"no session was loading: {struck}"
        site.go()
        ended = process.wait()
        site.told(ended)
        assert ended.code == code, ended.err
        site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


def commit_lost(site: Site, rng: random.Random, how: How, *, refuse_seconds: float = 0.0, back: bool = False) -> None:
    """The COMMIT of a cutover or a rollback, or the reply to it, is lost. What is told must be true, and done once."""
    start = site.start_rollback if back else site.start_deploy
    before, after = (site.rehearsed.new, site.rehearsed.old) if back else (site.rehearsed.old, site.rehearsed.new)
    with behind_proxy(site) as (link, dsn):
        process = start(dsn=dsn, fault=BEFORE_COMMIT)
        site.wait_until_fired(process)
        strike = link.arm(COMMIT, how)
        link.refusing = refuse_seconds > 0
        site.go()
        time.sleep(refuse_seconds)
        link.refusing = False
        ended = process.wait()
        assert strike.fired == 1, "the link was never cut"
        document = site.told(ended)
        if how == "lose the reply":
            assert ended.code == 0, ended.err
            assert document["live_changed"] is True
        else:
            assert (ended.code, document["error"]["slug"]) == (3, "connection-lost"), ended.err
            assert document["live_changed"] is False
            site.check_standing(before)
            ended = site.start_resume().wait()
        if back:
            site.check_done(ended, after)
        else:
            site.check_deployed(ended)


PATIENCE = {"sdconsole.observe.link:PAUSE_SECONDS": 0.3, "sdconsole.observe.link:PATIENCE_SECONDS": 1.5}
"""A short version of the time after which a silent link is given up."""
RESOLVE = {"sdconsole.target.live.attempt:_RESOLVE_SECONDS": 2.0}
SILENT_AT: dict[str, tuple[bytes, Fault]] = {
    "profile": (b"", pause_at("sdconsole.stages.profile:profile_database")),
    "load": (b"", pause_when_started("load")),
    "copy": (COPY, {}),
    "validate": (b"", pause_at("sdconsole.stages.validate:run_queries")),
    "commit": (COMMIT, BEFORE_COMMIT),
}


def black_hole(site: Site, rng: random.Random, where: str, *, within_seconds: float, patience: Fault) -> None:
    """Nothing comes back any more. The run gives up, and the next attempt ends the sessions it left on the server."""
    at, fault = SILENT_AT[where]
    with behind_proxy(site) as (link, dsn):
        if not fault:  # somewhere in the stream of rows
            strike = link.arm(at, "black hole", more=rng.randrange(1, 200_000))
        process = site.start_deploy(dsn=dsn, fault={**fault, "set": patience})
        if fault:
            site.wait_until_fired(process)
            strike = link.arm(at, "black hole")
            site.go()
        give_up = time.monotonic() + 30
        while not strike.fired:
            assert process.running, "ended before the link went silent"
            assert time.monotonic() < give_up, "the link never went silent"
            time.sleep(0.01)
        began = time.monotonic()
        ended = process.wait(within_seconds + 30)
        lasted = time.monotonic() - began
        assert lasted <= within_seconds, f"it gave up after {lasted:.1f} s only"
        document = site.told(ended)
        assert ended.code == (9 if where == "commit" else 3), ended.err
        ghosts = sessions(site)
        assert ghosts, "the server noticed by itself: nothing was left to end"
        link.heal()
        ended = site.start_resume("--progress", "none").wait()
        assert document["run"] == site.told(ended)["run"]
        assert not ghosts & sessions(site)
        site.check_deployed(ended)


def sessions(site: Site) -> set[int]:
    with psycopg.connect(site.admin_dsn) as admin:
        return {
            pid
            for (pid,) in admin.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'sdconsole:%'"
            )
        }


def test_a_link_reset_in_the_middle_of_copy_shows_no_row_and_is_loaded_again(sites: Sites, first_seed: int) -> None:
    sites.run(reset_in_copy, range(first_seed, first_seed + 5), modes=(SIMPLE,))


def test_a_loading_session_ended_by_an_administrator_shows_no_row(sites: Sites, first_seed: int) -> None:
    sites.run(backend_ended_in_copy, range(first_seed, first_seed + 3), modes=(SIMPLE,))


@pytest.mark.parametrize(
    "trials", [5, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(3600)])], ids=["some", "many"]
)
@pytest.mark.parametrize("how", ["lose the reply", "lose the request"])
@pytest.mark.parametrize("back", [False, True], ids=["cutover", "rollback"])
def test_what_is_told_after_a_lost_commit_is_the_truth(
    sites: Sites, first_seed: int, how: How, back: bool, trials: int
) -> None:
    def trial(site: Site, rng: random.Random) -> None:
        commit_lost(site, rng, how, back=back, refuse_seconds=rng.choice([0, 0.7]) if how == "lose the reply" else 0)

    sites.run(trial, range(first_seed, first_seed + trials), deployed=back, modes=(SIMPLE,))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_links_reset_and_loading_sessions_ended(sites: Sites, first_seed: int) -> None:
    sites.run(reset_in_copy, range(first_seed, first_seed + 60))
    sites.run(backend_ended_in_copy, range(first_seed, first_seed + 60))


@pytest.mark.parametrize(
    "times", [1, pytest.param(10, marks=[pytest.mark.long, pytest.mark.timeout(3600)])], ids=["some", "many"]
)
def test_a_silent_link_is_given_up_and_its_sessions_are_ended_by_the_next_attempt(
    sites: Sites, first_seed: int, times: int
) -> None:
    places = list(SILENT_AT) * times

    def trial(site: Site, rng: random.Random) -> None:
        where = places.pop()
        black_hole(site, rng, where, within_seconds=10, patience=PATIENCE | RESOLVE)

    sites.run(trial, range(first_seed, first_seed + len(places)), workers=5, modes=(SIMPLE,))
