"""The operator's own ways to stop a run: SIGTERM in every stage, twice, and the terminal that is closed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.trials import CONFIRMED, STAGES, Site, Sites, pause_when_started

STOPS_WITHIN_SECONDS = 5.0


def stopped_in_every_stage(site: Site, rng: random.Random) -> None:
    """One run that is stopped once in each of its stages, a moment after the stage began, and carried on each time."""
    for stage in STAGES:
        fault = pause_when_started(stage)
        process = site.start_resume(fault=fault) if site.journals() else site.start_deploy(fault=fault)
        site.wait_until_fired(process)
        site.go()
        time.sleep(rng.uniform(0, 0.05))
        process.send(signal.SIGTERM)
        began = time.monotonic()
        ended = process.wait()
        assert time.monotonic() - began <= STOPS_WITHIN_SECONDS, f"{stage} took too long to stop"
        document = site.told(ended)
        now = site.check_standing(site.rehearsed.old, site.rehearsed.new)
        assert (now.tables == site.rehearsed.new) == (document["live_changed"] or stage == "verify"), stage
        if ended.code == 0:
            assert stage == "verify", "only the last stage may be over before the signal arrives"
            site.check_deployed(ended)
            return
        assert (ended.code, document["verdict"]) == (143, "terminated"), ended.err
    site.check_deployed(site.start_resume().wait())


def test_sigterm_in_every_stage_ends_with_143_and_resume_finishes(sites: Sites, first_seed: int) -> None:
    sites.run(stopped_in_every_stage, range(first_seed, first_seed + 2))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_stops_in_every_stage(sites: Sites, first_seed: int) -> None:
    sites.run(stopped_in_every_stage, range(first_seed, first_seed + 20))


def test_a_second_signal_ends_the_run_at_once_and_resume_finishes(site: Site) -> None:
    process = site.start_deploy(fault=pause_when_started("load"))
    site.wait_until_fired(process)
    process.send(signal.SIGTERM)
    give_up = time.monotonic() + 5
    while "once more" not in process.stderr.read_text():
        assert time.monotonic() < give_up, "the first signal was not answered"
        time.sleep(0.01)
    process.send(signal.SIGTERM)
    assert process.wait(2).code == 143
    site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_a_closed_terminal_loses_nothing_and_resume_finishes(site: Site) -> None:
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "sdconsole", "deploy", str(site.source), "--dsn", site.dsn, *CONFIRMED],
        cwd=site.folder,
        env=site.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    seen = b""
    while b"profile    started" not in seen:
        seen += os.read(ours, 4096)
    os.close(ours)
    try:
        code = running.wait(STOPS_WITHIN_SECONDS)
    finally:
        running.kill()
    assert code in (-signal.SIGHUP, 130, 143)
    site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


def take_terminal() -> None:
    """Makes stdin the terminal that controls this process, so that it is told when the terminal goes."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
