"""The operator's own ways to stop a run: a signal in every stage, twice, and the terminal that is closed."""

from __future__ import annotations

import fcntl
import os
import random
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress

import pytest

from sdconsole.core.journal import read_journal
from sdconsole.core.projection import fold
from sdconsole.core.runs import is_alive
from sdconsole.errors import Verdict
from tests.faults import checker
from tests.faults.trials import CONFIRMED, STAGES, Site, Sites, pause_when_started
from tests.patience import within

STOPS_WITHIN_SECONDS = 5.0


def stopped_in_every_stage(site: Site, rng: random.Random, number: signal.Signals) -> None:
    """One run that is stopped once in each of its stages, a moment after the stage began, and carried on each time."""
    code, verdict = (130, "interrupted") if number is signal.SIGINT else (143, "terminated")
    for stage in STAGES:
        fault = pause_when_started(stage)
        process = site.start_resume(fault=fault) if site.journals() else site.start_deploy(fault=fault)
        site.wait_until_fired(process)
        site.go()
        time.sleep(rng.uniform(0, 0.05))
        process.send(number)
        began = time.monotonic()
        ended = process.wait()
        assert time.monotonic() - began <= within(STOPS_WITHIN_SECONDS), f"{stage} took too long to stop"
        document = site.told(ended)
        now = site.check_standing(site.rehearsed.old, site.rehearsed.new)
        assert (now.tables == site.rehearsed.new) == (document["live_changed"] or stage == "verify"), stage
        if ended.code == 0:
            assert stage == "verify", "only the last stage may be over before the signal arrives"
            site.check_deployed(ended)
            return
        assert (ended.code, document["verdict"]) == (code, verdict), ended.err
    site.check_deployed(site.start_resume().wait())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_every_stage_ends_with_its_code_and_resume_finishes(
    sites: Sites, first_seed: int, number: signal.Signals
) -> None:
    sites.run(lambda site, rng: stopped_in_every_stage(site, rng, number), [first_seed])


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_many_stops_in_every_stage(sites: Sites, first_seed: int, number: signal.Signals) -> None:
    sites.run(lambda site, rng: stopped_in_every_stage(site, rng, number), range(first_seed, first_seed + 20))


def test_a_second_signal_ends_the_run_at_once_and_resume_finishes(site: Site) -> None:
    process = site.start_deploy(fault=pause_when_started("load"))
    site.wait_until_fired(process)
    process.send(signal.SIGTERM)
    give_up = time.monotonic() + within(STOPS_WITHIN_SECONDS)
    while "once more" not in process.stderr.read_text():
        assert time.monotonic() < give_up, "the first signal was not answered"
        time.sleep(0.01)
    process.send(signal.SIGTERM)
    assert process.wait(within(2)).code == 143
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
        code = running.wait(within(STOPS_WITHIN_SECONDS))
    finally:
        running.kill()
    assert code in (-signal.SIGHUP, 130, 143)
    site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
@pytest.mark.parametrize("how", ["SIGTERM", "closed"])
def test_an_operator_who_is_gone_loses_nothing_in_the_console_and_resume_finishes(site: Site, how: str) -> None:
    """`sdconsole demo` opens the console; SIGTERM stops its run, a closed terminal leaves it to its next question."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    running = subprocess.Popen(
        [sys.executable, "-m", "sdconsole", "demo", "--size", "3000", "--dsn", site.dsn],
        cwd=site.folder,
        env=site.environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    over = threading.Event()
    drained = threading.Thread(target=drain, args=(ours, over))
    drained.start()
    try:
        give_up = time.monotonic() + 60
        while not any(b'"stage":"clean"' in journal.read_bytes() for journal in site.journals()):
            assert running.poll() is None, "the console has ended by itself"
            assert time.monotonic() < give_up, "the run never came to its clean stage"
            time.sleep(0.01)
        if how == "closed":
            over.set()
            drained.join()
            os.close(ours)
        else:
            running.terminate()
        code = running.wait(within(STOPS_WITHIN_SECONDS))
    finally:
        over.set()
        drained.join()
        running.kill()
        running.wait()
    (journal,) = site.journals()
    give_up = time.monotonic() + within(60)
    while is_alive(journal.parent):
        assert time.monotonic() < give_up, "the run that was left alone does not end"
        time.sleep(0.05)
    verdict = fold(read_journal(journal)).verdict
    assert (code, verdict) == ((0, Verdict.HELD) if how == "closed" else (143, Verdict.INTERRUPTED))
    site.check_standing(site.rehearsed.old)
    ended = site.start_resume().wait()
    site.check_done(ended, checker.shown(site.admin_dsn).tables)


def drain(terminal: int, over: threading.Event) -> None:
    """Reads what the console draws, so that it never waits for us."""
    with suppress(OSError):  # the other end is closed
        while not over.is_set():
            if select.select([terminal], [], [], 0.05)[0]:
                os.read(terminal, 65536)


def take_terminal() -> None:
    """Makes stdin the terminal that controls this process, so that it is told when the terminal goes."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
