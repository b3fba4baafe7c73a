"""One trial: a machine, a database and an export of its own, a fault, and the whole list of checks after it."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.faults import checker
from tests.faults.fault_points import FIRED, GO
from tests.faults.processes import Ended, Launcher, Process

COMPLETE, SIMPLE = "complete", "simple"
"""A deployment with all ten stages, and one without a canary: half as long again, so more trials fit."""
STAGES = ("preflight", "backup", "profile", "clean", "score", "canary", "load", "validate", "cutover", "verify")
CONFIRMED = ("--yes", "--confirm", "servicedesk", "--json", "--progress", "plain")
WORKERS = 2

Tables = Mapping[str, tuple[int, str]]
Fault = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What undisturbed runs gave, once for all trials.

    `template` is a database in which `old` is live and one version is kept; in `template_after` the undisturbed
    deployment of `export` is live. `documents` are what such a deployment prints, by mode.
    """

    server: str
    password: str
    environment: Mapping[str, str]
    export: Path
    template: str
    template_after: str
    before_old: Tables
    old: Tables
    new: Tables
    documents: Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class Site:
    """An operator's machine with an empty state folder, and a database with the old version live."""

    launcher: Launcher
    rehearsed: Rehearsed
    folder: Path
    database: str
    source: Path
    environment: dict[str, str]
    source_digest: str = ""
    mode: str = COMPLETE
    without: tuple[str, ...] = ()
    """Guards that are taken out of every command that starts here."""
    processes: list[Process] = field(default_factory=list)

    @property
    def admin_dsn(self) -> str:
        """For the trial itself."""
        return make_conninfo(self.rehearsed.server, dbname=self.database)

    @property
    def dsn(self) -> str:
        """For the product: the password comes through the environment."""
        return make_conninfo(self.admin_dsn, password=None)

    @property
    def state(self) -> Path:
        return self.folder / ".sdconsole"

    @property
    def temporary(self) -> Path:
        return self.folder.parent / "tmp"

    @property
    def fired(self) -> bool:
        return (self.folder / FIRED).exists()

    def journals(self) -> list[Path]:
        """Oldest run first."""
        return sorted(self.state.glob("runs/*/events.jsonl"))

    def start(self, *arguments: str, fault: Fault | None = None, file_size_limit: int | None = None) -> Process:
        if not any(process.running for process in self.processes):
            for name in (FIRED, GO):
                (self.folder / name).unlink(missing_ok=True)
        process = self.launcher.start(
            arguments,
            folder=self.folder,
            environment=self.environment,
            fault={**(fault or {}), "without": self.without},
            file_size_limit=file_size_limit,
        )
        self.processes.append(process)
        return process

    def start_deploy(self, *more: str, fault: Fault | None = None, dsn: str = "") -> Process:
        arguments = ("deploy", str(self.source), "--dsn", dsn or self.dsn, "--mode", self.mode, *CONFIRMED)
        return self.start(*arguments, *more, fault=fault)

    def start_rollback(self, *more: str, fault: Fault | None = None, dsn: str = "") -> Process:
        return self.start("rollback", "--dsn", dsn or self.dsn, *CONFIRMED, *more, fault=fault)

    def start_resume(self, *more: str, fault: Fault | None = None) -> Process:
        return self.start("resume", *more, *CONFIRMED, fault=fault)

    def go(self) -> None:
        """Lets a paused command go on."""
        (self.folder / GO).touch()

    def wait_until_fired(self, process: Process, timeout: float = 30) -> None:
        """Until the fault's place was reached: the proof that the fault strikes where it is meant to."""
        give_up = time.monotonic() + timeout
        while not self.fired:
            if not process.running:
                raise AssertionError(f"ended before the fault's place was reached: {process.wait().err}")
            assert time.monotonic() < give_up, "the fault's place was never reached"
            time.sleep(0.002)

    def told(self, ended: Ended) -> dict[str, Any]:
        """I7, for a command that ended by itself."""
        return checker.check_told(ended.code, ended.out, ended.err, secrets=[self.rehearsed.password])

    def check_standing(self, *allowed: Tables) -> checker.Shown:
        """I1, I2, I3 and the sessions of I5: what must be true however the last command ended."""
        assert checker.digest_of_source(self.source) == self.source_digest, "the source was changed"
        checker.check_no_sessions(self.admin_dsn)
        now = checker.check_live(self.admin_dsn, *allowed)
        for journal in self.journals():
            if journal.stat().st_size:
                checker.check_journal(journal, self.admin_dsn)
        checker.check_ledger(self.admin_dsn)
        return now

    def check_done(self, ended: Ended, wanted: Tables) -> dict[str, Any]:
        """All invariants, after the command that finished the job."""
        document = self.told(ended)
        assert ended.code == 0, ended.err
        now = self.check_standing(wanted)
        assert document["version"] == now.version, f"told {document['version']}, live is {now.version}"
        checker.check_ledger(self.admin_dsn, done=[document["run"]])
        checker.check_files(self.state, self.temporary)
        checker.check_no_secret(self.folder, [self.rehearsed.password])
        checker.check_backups(self.state / "backups")
        return document

    def check_deployed(self, ended: Ended) -> None:
        """The same result as the undisturbed deployment's."""
        document = self.check_done(ended, self.rehearsed.new)
        for part in ("rows", "score", "score_before", "mode", "live_changed"):
            expected = self.rehearsed.documents[self.mode][part]
            assert document[part] == expected, f"{part}: {document[part]}, undisturbed {expected}"
        stages = [stage["name"] for stage in document["stages"] if stage["status"] in ("passed", "warned")]
        assert stages == [stage for stage in STAGES if stage != "canary" or self.mode == COMPLETE], document["stages"]
        checker.check_against_export(self.admin_dsn, self.source)


def copy_database(server: str, template: str, name: str) -> None:
    """As files: after a copy through the log a crash of the server makes its sequences give out numbers again."""
    with psycopg.connect(server, autocommit=True) as admin:
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        if admin.info.server_version >= 150_000:
            make += sql.SQL(" STRATEGY FILE_COPY")
        admin.execute(make)


@dataclass(slots=True)
class Sites:
    """Makes sites and takes them away again."""

    launcher: Launcher
    rehearsed: Rehearsed
    folder: Path

    @contextmanager
    def site(self, *, deployed: bool = False, launcher: Launcher | None = None, mode: str = COMPLETE) -> Iterator[Site]:
        """`deployed`: the new version is live already."""
        name = f"t_{secrets.token_hex(5)}"
        folder = self.folder / name / "work"
        for path in (folder, folder.parent / "home", folder.parent / "tmp"):
            path.mkdir(parents=True)
        source = folder.parent / "export.db"
        source.write_bytes(self.rehearsed.export.read_bytes())
        template = self.rehearsed.template_after if deployed else self.rehearsed.template
        environment = {**self.rehearsed.environment, "TMPDIR": str(folder.parent / "tmp")}
        copy_database(self.rehearsed.server, template, name)
        digest = checker.digest_of_source(source)
        site = Site(launcher or self.launcher, self.rehearsed, folder, name, source, environment, digest, mode)
        try:
            yield site
        finally:
            for process in site.processes:
                process.kill()
            with psycopg.connect(self.rehearsed.server, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def run(
        self,
        trial: Callable[[Site, random.Random], None],
        seeds: Iterable[int],
        *,
        deployed: bool = False,
        workers: int = WORKERS,
        modes: Sequence[str] = (COMPLETE,),
    ) -> None:
        """Each seed's trial on a site of its own, some at a time. Raises for the first that failed, and names all."""

        def one(seed: int) -> None:
            with self.site(deployed=deployed, mode=modes[seed % len(modes)]) as site:
                trial(site, random.Random(seed))

        with ThreadPoolExecutor(workers) as pool:
            running = {seed: pool.submit(one, seed) for seed in seeds}
        failed = {seed: error for seed, future in running.items() if (error := future.exception()) is not None}
        if failed:
            told = "\n".join(f"  seed {seed}: {str(error)[:2000]}" for seed, error in failed.items())
            raise AssertionError(f"{len(failed)} of {len(running)} trials failed:\n{told}") from next(
                iter(failed.values())
            )


def kill_at(stage: str | None, kind: str, when: str) -> Fault:
    """A plan that kills the command before or after this record of its journal is written."""
    return {"at": "journal", "type": kind, "stage": stage, "when": when, "action": "kill"}


def pause_at(place: str, *, when: str = "before", nth: int = 1) -> Fault:
    return {"at": place, "when": when, "nth": nth, "action": "pause"}


def pause_when_started(stage: str) -> Fault:
    return {"at": "journal", "type": "stage_started", "stage": stage, "when": "after", "action": "pause"}


def killed(site: Site, process: Process) -> None:
    """I8: it was the fault that ended the command."""
    ended = process.wait()
    assert ended.code == -9, f"it ended with {ended.code} and not by kill -9: {ended.err}"
    assert site.fired, "killed, but not at the fault's place"
