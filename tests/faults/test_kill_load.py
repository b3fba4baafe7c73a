"""kill -9 of the process that leads a parallel load, while processes beside it are copying rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg

from tests.faults.trials import CONFIRMED, Site

PROCESSES = 3
ROWS_A_SECOND = 300
"""So slow that every process is busy for a second with the smallest table that it gets."""
START = f"""
import sys
from sdconsole.interfaces.cli.app import main
from sdconsole.stages import loading
from sdconsole.target.load import copy

loading.cores = lambda: {PROCESSES}
copy._ROWS_PER_FETCH = 20
main(sys.argv[1:])
"""
"""The command itself, on as many cores as the test needs, with rows in portions that the limit can spread."""

COPYING = """
    SELECT a.application_name, a.pid, c.relnamespace::regnamespace::text
      FROM pg_stat_progress_copy p JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = p.relid
     WHERE a.datname = current_database() AND p.command = 'COPY FROM'
"""


@contextmanager
def leading(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """A deployment that loads in several processes, none of which outlives the test."""
    options = ["--mode", "simple", "--jobs", str(PROCESSES), "--throttle", str(ROWS_A_SECOND)]
    command = ["deploy", str(site.source), "--dsn", site.dsn, *CONFIRMED, *options]
    said = site.folder.parent / "leader.err"
    with (
        said.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-c", START, *command],
            cwd=site.folder,
            env=site.environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                for each in loaders(process.pid):
                    each.kill()
                process.kill()


def loaders(leader: int) -> list[psutil.Process]:
    """The processes that load rows for this one."""
    found = []
    for child in psutil.Process(leader).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if "sdconsole.target.load.loader" in child.cmdline():
                found.append(child)
    return found


def until(met: Callable[[], bool], seconds: float, what: str) -> None:
    give_up = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


def test_a_killed_leader_takes_its_loading_processes_along_and_resume_loads_a_new_version(site: Site) -> None:
    old = site.rehearsed.old
    with leading(site) as process, psycopg.connect(site.admin_dsn, autocommit=True) as admin:
        copying: list[tuple[str, int, str]] = []

        def all_copy_rows() -> bool:
            assert process.poll() is None, (site.folder.parent / "leader.err").read_text()
            copying[:] = admin.execute(COPYING).fetchall()
            return len(copying) == PROCESSES

        until(all_copy_rows, 60, "the rows were never copied by all processes at once")
        beside = loaders(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert len(beside) == PROCESSES - 1
        (version,) = {schema for _, _, schema in copying}
        assert version.startswith("servicedesk_v")
        assert {name.split(":")[0] for name, _, _ in copying} == {"sdconsole"}
        gone, alive = psutil.wait_procs(beside, timeout=5)
        for each in alive:
            each.kill()
        assert not alive, f"{len(alive)} of {len(gone) + len(alive)} loading processes outlived their leader"
        backends = [pid for _, pid, _ in copying]
        left = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s) AND application_name LIKE 'sdconsole:%%'"
        until(lambda: admin.execute(left, [backends]).fetchone() == (0,), 5, "a session is left on the server")
        site.check_standing(old)
    document = site.check_done(site.start_resume("--throttle", "1000000").wait(), site.rehearsed.new)
    assert document["version"] != version
    with psycopg.connect(site.admin_dsn) as admin:
        given_up = admin.execute("SELECT state FROM sdconsole.deployment WHERE version = %s", [version]).fetchone()
    assert given_up == ("failed",)
