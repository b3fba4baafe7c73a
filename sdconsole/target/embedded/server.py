"""A PostgreSQL server of our own, for operators who have none: start, stop, status and how to log in.

It outlives the program that started it on purpose, so every question is answered by looking at the processes and the
files, never from memory. Starts, stops and removals of one cluster exclude each other through a file lock. Knows
nothing about deployments.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from sdconsole.errors import OperationFailed, TargetUnreachable
from sdconsole.target.binaries import Programs, copy_programs, find_programs
from sdconsole.target.connect import Target, classify, connect
from sdconsole.target.embedded.account import Account, run_as, server_account
from sdconsole.target.embedded.cluster import (
    Cluster,
    ensure_socket_directory,
    initialise,
    owner_of,
    place_cluster,
    read_cluster,
    remove_cluster,
    write_cluster,
)
from sdconsole.target.embedded.logins import (
    DATABASE,
    DEPLOYER,
    HOST,
    READER,
    SUPERUSER,
    password_file,
    prepare_database,
    read_passwords,
)
from sdconsole.target.embedded.postmaster import (
    LaunchFailed,
    StopMode,
    clear_lock_files,
    end_orphans,
    find_postmaster,
    launch,
    read_lock_file,
    stop_postmaster,
)
from sdconsole.target.embedded.settings import free_port, is_free, server_settings

_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.02
_DAMAGED_AFTER_SECONDS = 1.0
"""A starting postmaster writes its lock file in the first moments; one without it for longer has lost it."""
_LARGEST_LOG_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is true right now. `running` = there is a live postmaster; `ready` = it takes connections.

    The other fields are None as long as they are not known: `pid` without a postmaster, all of them before the first
    start. `account` is the operating system account of the server.
    """

    running: bool
    ready: bool = False
    pid: int | None = None
    port: int | None = None
    version: str | None = None
    data_directory: Path | None = None
    socket_directory: Path | None = None
    log_file: Path | None = None
    account: str | None = None


class EmbeddedServer:
    """The cluster that belongs to the folder `root`. Nothing is made before `start`.

    `durable=False` gives up crash safety of the machine for speed and puts data that does not fit into `root` into the
    temporary folder: for tests. `settings` are server settings for the next start.
    """

    def __init__(self, root: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self.root = root.expanduser().resolve()
        self._durable = durable
        self._settings = dict(settings or {})

    @property
    def programs(self) -> Path:
        """The folder of psql, pg_dump and the others, of the data directory's major version. Raises as
        `find_programs` does."""
        cluster = read_cluster(self.root)
        return find_programs(major=cluster.major if cluster else None).folder

    def start(self) -> ServerStatus:
        """Start the server or attach to the running one. The first start makes the cluster, the roles and the
        database.

        Raises TargetUnreachable ("embedded-missing", "embedded-start"), UsageError "embedded-setting", OperationFailed
        ("embedded-version", "embedded-account", "embedded-home", "embedded-initdb", "embedded-owner", "embedded-busy",
        "embedded-folder", "embedded-system", "embedded-data-missing", "embedded-password-file", "embedded-record").
        """
        self._make_root()
        with self._exclusive():
            cluster = read_cluster(self.root)
            if cluster is None:
                cluster = place_cluster(self.root, server_account(), durable=self._durable)
                write_cluster(self.root, cluster)
            if not self._attach(cluster):
                cluster = self._launch(cluster)
            if not cluster.prepared:
                self._prepare(cluster)
                write_cluster(self.root, replace(cluster, prepared=True))
            return self.status()

    def stop(self, mode: str = "fast") -> ServerStatus:
        """Stop the server and whatever a killed one left; does nothing when nothing runs.

        `mode` is PostgreSQL's: smart waits for the clients, fast ends their transactions, immediate recovers at the
        next start. Raises OperationFailed "embedded-stop" when it still runs after a minute, ValueError for another
        mode.
        """
        how = StopMode[mode.upper()] if mode in ("smart", "fast", "immediate") else None
        if how is None:
            raise ValueError(f"a server is stopped smart, fast or immediate, not {mode!r}")
        if read_cluster(self.root) is None:
            return ServerStatus(running=False)
        with self._exclusive():
            cluster = read_cluster(self.root)
            if cluster is not None:
                self._stop(cluster, how)
            return self.status()

    def remove(self) -> None:
        """Stop the server and delete its data, its passwords and its record. Only the lock file stays."""
        if read_cluster(self.root) is None:
            return
        with self._exclusive():
            cluster = read_cluster(self.root)
            if cluster is not None:
                self._stop(cluster, StopMode.IMMEDIATE)
                remove_cluster(self.root, cluster)

    def status(self) -> ServerStatus:
        """Looks, and changes nothing. Raises OperationFailed where the caller may not look."""
        cluster = read_cluster(self.root)
        if cluster is None:
            return ServerStatus(running=False)
        owner = owner_of(cluster)
        postmaster = find_postmaster(cluster.data)
        lock_file = read_lock_file(cluster.data) if postmaster else None
        own = lock_file if lock_file and postmaster and lock_file.pid == postmaster.pid else None
        return ServerStatus(
            running=postmaster is not None,
            ready=own is not None and own.ready,
            pid=postmaster.pid if postmaster else None,
            port=own.port if own else cluster.port or None,
            version=cluster.version or None,
            data_directory=cluster.data,
            socket_directory=cluster.socket_directory,
            log_file=cluster.log,
            account=owner.name if owner else None,
        )

    def dsn(self, database: str = DATABASE, *, superuser: bool = False) -> str:
        """A connection string for libpq, with the password file's name in place of a password.

        It logs in as the deployer, which owns the database `servicedesk` and is no superuser. Raises
        TargetUnreachable "embedded-stopped" when the server does not run.
        """
        status = self.status()
        if not status.ready:
            raise TargetUnreachable(
                "embedded-stopped",
                "the embedded PostgreSQL server is not running",
                cause=f"nothing serves {status.data_directory or self.root}",
                next_step="sdconsole db start",
            )
        return make_conninfo(
            "",
            host=HOST,
            port=status.port,
            user=SUPERUSER if superuser else DEPLOYER,
            dbname=database,
            passfile=str(password_file(self.root)),
            sslmode="disable",
        )

    def own_conninfo(self, database: str = DATABASE) -> str:
        """As `dsn`, with the password inside: for this process only, so that PGPASSWORD and PGHOSTADDR of the caller's
        environment cannot send it elsewhere or make it log in with something else. Never to be shown or written.
        """
        conninfo = self.dsn(database)
        cluster = read_cluster(self.root)
        assert cluster is not None  # `dsn` refuses when there is no server
        return make_conninfo(conninfo, hostaddr=HOST, password=read_passwords(self.root, cluster.home)[DEPLOYER])

    def psql_command(self, *arguments: str, database: str = DATABASE, superuser: bool = False) -> list[str]:
        """The command line of a psql that is logged in; further arguments are psql's."""
        return [str(self.programs / "psql"), f"--dbname={self.dsn(database, superuser=superuser)}", *arguments]

    def _make_root(self) -> None:
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # what is there already may be shared: its permissions stay
                self.root.mkdir()
                self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise OperationFailed(
                "embedded-folder",
                f"the folder of the embedded server cannot be made: {self.root}",
                cause=str(error),
                next_step="set embedded_root to a folder that you may write to: SDCONSOLE_EMBEDDED_ROOT=/path/to/it",
            ) from error

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        path = self.root / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OperationFailed(
                "embedded-folder",
                f"the folder of the embedded server is not ours: {self.root}",
                cause=str(error),
                next_step="use the account that made it, or another folder",
            ) from error
        try:
            deadline = time.monotonic() + 3 * _WAIT_SECONDS
            while not _locked(descriptor):
                if time.monotonic() > deadline:
                    raise OperationFailed(
                        "embedded-busy",
                        "another process has been starting or stopping the embedded server for minutes",
                        cause=f"it holds the lock on {path}",
                        next_step="end that process and try again",
                    )
                time.sleep(_POLL_SECONDS)
            yield
        except (OSError, subprocess.SubprocessError, psutil.Error) as error:
            raise OperationFailed(
                "embedded-system",
                "the operating system refused something that the embedded server needs",
                cause=str(error),
                next_step=f"make room or repair the permissions, then try again; its folder is {self.root}",
            ) from error
        finally:
            os.close(descriptor)

    def _attach(self, cluster: Cluster) -> bool:
        """Whether a postmaster serves the cluster and takes connections, after waiting for one that is starting.

        One whose lock file was damaged is stopped: PostgreSQL would end it by itself within a minute.
        """
        began = time.monotonic()
        while (status := self.status()).running:
            if status.ready:
                return True
            waited = time.monotonic() - began
            lock_file = read_lock_file(cluster.data)
            if lock_file is not None and lock_file.pid == status.pid:
                if waited > _WAIT_SECONDS:
                    raise _not_started(cluster, "it is still starting; after a crash it replays its log first")
            elif waited > _DAMAGED_AFTER_SECONDS:
                self._stop(cluster, StopMode.FAST)
            time.sleep(_POLL_SECONDS)
        return False

    def _launch(self, cluster: Cluster) -> Cluster:
        major = cluster.major
        if major is None and cluster.prepared:
            raise OperationFailed(
                "embedded-data-missing",
                f"the embedded server's data is gone: {cluster.data}",
                cause=f"{self.root} remembers a cluster there",
                next_step=f"restore the folder, or delete {self.root} to begin with an empty server",
            )
        account = owner_of(cluster) or server_account()
        programs = _runnable(find_programs(major=major), account, cluster)
        if major is None:
            initialise(self.root, cluster, programs, account, durable=self._durable)
        read_passwords(self.root, cluster.home)  # a server that nobody can log in to is not started
        end_orphans(cluster.data)
        clear_lock_files(cluster.data, cluster.socket_directory)
        ensure_socket_directory(cluster.socket_directory, account)
        if cluster.log.exists() and cluster.log.stat().st_size > _LARGEST_LOG_BYTES:
            cluster.log.replace(cluster.log.with_suffix(".log.1"))
        port = free_port(cluster.port)
        for attempts_left in (2, 1, 0):
            settings = server_settings(port, cluster.socket_directory, durable=self._durable) | self._settings
            started = replace(cluster, port=port, version=programs.version)
            try:
                launch(programs.folder / "postgres", cluster.data, settings, account=account, log=cluster.log)
            except LaunchFailed as error:
                if not is_free(port) and attempts_left:  # somebody else took the port after we had looked
                    port = free_port(0)
                    continue
                raise _not_started(started, str(error)) from error
            except TimeoutError as error:
                raise _not_started(started, str(error)) from error
            break
        write_cluster(self.root, started)
        return started

    def _stop(self, cluster: Cluster, mode: StopMode) -> None:
        postmaster = find_postmaster(cluster.data)
        if postmaster and not stop_postmaster(postmaster, cluster.data, mode, timeout_seconds=_WAIT_SECONDS):
            raise OperationFailed(
                "embedded-stop",
                "the embedded PostgreSQL server is still running",
                cause=f"a {mode.name.lower()} stop did not end it within {_WAIT_SECONDS:g} s",
                next_step="sdconsole db stop --mode immediate",
            )
        end_orphans(cluster.data)
        clear_lock_files(cluster.data, cluster.socket_directory)

    def _prepare(self, cluster: Cluster) -> None:
        passwords = read_passwords(self.root, cluster.home)
        conninfo = make_conninfo(self.dsn("postgres", superuser=True), password=passwords[SUPERUSER])
        target = Target("embedded", conninfo, live_schema=DATABASE, reader_role=READER)
        with connect(target, application="sdconsole:embedded") as connection:
            try:
                prepare_database(connection, passwords[DEPLOYER])
            except psycopg.Error as error:
                raise classify(error) from error


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runnable(programs: Programs, account: Account, cluster: Cluster) -> Programs:
    """The programs, or a copy in the cluster's home where the server's account may not read the original."""
    if not account.is_caller:
        try:
            readable = run_as(account, [programs.folder / "postgres", "-V"], timeout_seconds=30).returncode == 0
        except PermissionError:
            readable = False
        if not readable:
            return copy_programs(programs, cluster.programs)
    return programs


def _not_started(cluster: Cluster, cause: str) -> TargetUnreachable:
    return TargetUnreachable(
        "embedded-start",
        f"the embedded PostgreSQL {cluster.version} did not start",
        cause=cause,
        next_step=f"read {cluster.log}",
    )
