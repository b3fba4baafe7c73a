"""Connections: one known session state, telling errors, TLS off this machine, and never a password."""

from __future__ import annotations

import re
import secrets
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.errors import (
    DeadlineExceeded,
    Interrupted,
    OperationFailed,
    SdconsoleError,
    TargetUnreachable,
    UsageError,
)
from sdconsole.target.connect import Target, classify, connect, safe_conninfo, server_facts
from tests.conftest import Database
from tests.patience import within

CANARY = "c4n4ry-p4ssw0rd"


def target(dsn: str) -> Target:
    return Target("test", dsn, "servicedesk", "")


def everything_shown(error: BaseException) -> str:
    """All that a report, a log or a crash could print of an error."""
    attributes = [str(getattr(error, name, "")) for name in ("message", "cause", "state", "next_step")]
    return "\n".join([str(error), repr(error), *attributes, *traceback.format_exception(error)])


def refused(dsn: str) -> TargetUnreachable:
    with pytest.raises(TargetUnreachable) as caught:
        connect(target(dsn), application="test", pause=lambda _seconds: None)
    shown = everything_shown(caught.value)
    assert CANARY not in shown
    assert "p@ssw0rd" not in shown
    return caught.value


@pytest.fixture
def login(pg: Database) -> Iterator[str]:
    """A conninfo of a role without any right, whose password is the canary."""
    role = f"u_{secrets.token_hex(5)}"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(CANARY)))
        yield make_conninfo(pg.dsn, user=role, password=CANARY)
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
            (role,),
        )
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_session_is_the_same_whatever_the_defaults_of_server_and_role_are(pg: Database, login: str) -> None:
    user = sql.Identifier(str(conninfo_to_dict(login)["user"]))
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        for setting, value in {
            "DateStyle": "SQL, DMY",
            "TimeZone": "Australia/Perth",
            "search_path": "public",
            "lock_timeout": "0",
            "statement_timeout": "2s",
            "client_encoding": "LATIN1",
            "extra_float_digits": "-5",
        }.items():
            statement = sql.SQL("ALTER ROLE {} SET {} = {}")
            admin.execute(statement.format(user, sql.Identifier(setting.lower()), sql.Literal(value)))
    with closing(connect(target(login), application="sdconsole:r-1")) as connection:
        asked = ["datestyle", "timezone", "search_path", "lock_timeout", "statement_timeout", "client_encoding"]
        asked += ["extra_float_digits", "idle_in_transaction_session_timeout", "tcp_user_timeout", "application_name"]
        shown = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in asked]
        expected = ["ISO, YMD", "UTC", "", "5s", "0", "UTF8", "1", "5min", "20000", "sdconsole:r-1"]
        assert shown == [(value,) for value in expected]
        assert connection.autocommit
        facts = server_facts(connection)
        assert facts.date_style == "SQL, DMY"
        assert facts.timezone == "Australia/Perth"
        assert (facts.user, facts.database, facts.is_superuser) == (conninfo_to_dict(login)["user"], pg.name, False)
        assert facts.major == facts.version_num // 10000 >= 13
        assert facts.encoding == "UTF8"
        assert not facts.in_recovery


def test_a_lock_is_not_waited_for_longer_than_asked(pg: Database) -> None:
    with closing(connect(target(pg.dsn), application="holder", autocommit=False)) as holder:
        holder.execute("CREATE TABLE public.t ()")
        holder.commit()
        holder.execute("LOCK TABLE public.t")
        waiter = connect(target(pg.dsn), application="waiter", lock_timeout_seconds=0.05)
        with closing(waiter), pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            waiter.execute("SELECT * FROM public.t")
        found = classify(caught.value)
        assert isinstance(found, OperationFailed)
        assert found.slug == "lock-timeout"


def test_an_application_name_longer_than_postgresql_keeps_is_refused(pg: Database) -> None:
    with pytest.raises(ValueError, match="63 bytes"):
        connect(target(pg.dsn), application="x" * 64)


def test_a_wrong_password_is_an_authentication_error_without_the_password(pg: Database, login: str) -> None:
    wrong = refused(make_conninfo(login, password=f"{CANARY}-wrong"))
    assert wrong.slug == "authentication"
    assert str(conninfo_to_dict(login)["user"]) in wrong.cause


@pytest.mark.parametrize(
    "conninfo",
    [
        f"host=127.0.0.1 password={CANARY[:4]} {CANARY}",
        f"host=127.0.0.1 passwort={CANARY}",
        f"postgresql://anna:{CANARY}@p@ssw0rd@127.0.0.1/db",
        f"postgresql://anna:{CANARY}%zz@127.0.0.1/db",
        f"postgresql://anna:{CANARY}@[::1/db",
    ],
)
def test_a_connection_string_that_cannot_be_read_is_not_repeated(conninfo: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect(target(conninfo), application="test")
    assert caught.value.slug == "conninfo"
    shown = everything_shown(caught.value) + safe_conninfo(conninfo) + repr(target(conninfo))
    assert CANARY not in shown
    assert "p@ssw0rd" not in shown


def test_the_password_is_left_out_of_what_is_shown_of_a_target() -> None:
    conninfo = f"postgresql://anna:{CANARY}@db.example.com:5433/desk?sslpassword={CANARY}"
    shown = safe_conninfo(conninfo)
    assert conninfo_to_dict(shown) == {"user": "anna", "host": "db.example.com", "port": "5433", "dbname": "desk"}
    assert CANARY not in repr(target(conninfo))


def test_libpq_variables_and_the_password_file_work(
    pg: Database, login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = conninfo_to_dict(login)
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:*:{CANARY}\n")
    passfile.chmod(0o600)
    for name, key in {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}.items():
        monkeypatch.setenv(name, str(settings[key]))
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    with closing(connect(target(""), application="test")) as connection:
        assert server_facts(connection).user == settings["user"]
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    monkeypatch.setenv("PGPASSWORD", f"{CANARY}-wrong")
    assert refused("").slug == "authentication"


def test_a_service_file_names_the_target(pg: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "\n".join(f"{key}={value}" for key, value in conninfo_to_dict(pg.dsn).items())
    file = tmp_path / "services"
    file.write_text(f"[desk]\n{entries}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with closing(connect(target("service=desk"), application="test")) as connection:
        assert server_facts(connection).database == pg.name
    assert refused("service=elsewhere").slug == "target-service"


def test_each_way_of_being_refused_has_its_own_name(pg: Database) -> None:
    assert refused(make_conninfo(pg.dsn, dbname=f"none_{CANARY[:4]}")).slug == "database-missing"
    assert refused(make_conninfo(pg.dsn, port=_free_port())).slug == "connection-refused"
    assert refused("host=/nonexistent").slug == "connection-refused"
    assert refused(f"host=no-such-host.invalid password={CANARY}").slug == "host-unknown"


def test_no_free_connection_is_waited_for_and_then_named(pg: Database, login: str) -> None:
    role = sql.Identifier(str(conninfo_to_dict(login)["user"]))
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(role))
        first = connect(target(login), application="first")
        waits: list[float] = []
        with pytest.raises(TargetUnreachable) as caught:
            connect(target(login), application="second", pause=waits.append)
        assert caught.value.slug == "too-many-connections"
        assert 1 < sum(waits) < within(10)
        assert len(waits) >= 3

        def freed(_seconds: float) -> None:
            first.close()
            admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 5").format(role))

        connect(target(login), application="third", pause=freed).close()


def test_an_interrupted_wait_ends_the_attempt(pg: Database) -> None:
    def stopped(_seconds: float) -> None:
        raise Interrupted

    with _fake_server(_error_response("53300", "sorry, too many clients already")) as port, pytest.raises(Interrupted):
        connect(target(f"host=127.0.0.1 port={port} user=x sslmode=disable"), application="test", pause=stopped)


@pytest.mark.parametrize(
    ("sqlstate", "message", "slug"),
    [
        ("57P03", "the database system is starting up", "server-starting"),
        ("57P03", "the database system is in recovery mode", "server-starting"),
        ("53300", "sorry, too many clients already", "too-many-connections"),
        (
            "53300",
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "too-many-connections",
        ),
        ("28000", 'no pg_hba.conf entry for host "1.2.3.4", user "x", database "y", no encryption', "tls-required"),
        ("28000", 'no pg_hba.conf entry for host "1.2.3.4", user "x", database "y", SSL encryption', "authentication"),
        ("28P01", 'password authentication failed for user "certificate"', "authentication"),
        ("3D000", 'database "tls" does not exist', "database-missing"),
        ("42501", 'permission denied for database "y"', "connect-privilege"),
        ("XX000", "something nobody has heard of", "connection-failed"),
    ],
)
def test_what_a_server_says_at_the_door_is_understood(sqlstate: str, message: str, slug: str) -> None:
    with _fake_server(_error_response(sqlstate, message)) as port:
        found = refused(f"host=127.0.0.1 port={port} user=x password={CANARY} sslmode=disable")
    assert found.slug == slug
    assert message in found.cause


def test_off_this_machine_the_connection_is_encrypted_and_verified_or_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    address = _own_address()
    for name in ("PGSSLMODE", "PGSERVICE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    heard: list[bytes] = []
    with _fake_server(b"N", heard, bind=address) as port:
        conninfo = f"host={address} port={port} user=x password={CANARY}"
        found = refused(conninfo)
        assert found.slug in ("tls-unavailable", "tls-failed")
        assert all(message == _SSL_REQUEST for message in heard), "a login was sent without TLS"
        heard.clear()
        refused(f"{conninfo} sslmode=disable")
        assert any(b"user" in message for message in heard), "the operator's own sslmode counts"
        heard.clear()
        monkeypatch.setenv("PGSSLMODE", "disable")
        refused(conninfo)
        assert any(b"user" in message for message in heard)


def test_a_service_decides_about_tls_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = _own_address()
    heard: list[bytes] = []
    file = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.delenv("PGSSLMODE", raising=False)
    with _fake_server(b"N", heard, bind=address) as port:
        file.write_text(f"[desk]\nhost={address}\nport={port}\nuser=x\n")
        refused("service=desk")
        assert not any(b"user" in message for message in heard)
        file.write_text(f"[desk]\nhost={address}\nport={port}\nuser=x\nsslmode=disable\n")
        refused("service=desk")
        assert any(b"user" in message for message in heard)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    with _fake_server(b"", hold=True) as port:
        assert refused(f"host=127.0.0.1 port={port} user=x sslmode=disable").slug == "connection-timeout"


def test_failures_in_the_middle_of_the_work_are_told_apart(pg: Database, login: str) -> None:
    def failure(work: Callable[[psycopg.Connection], object], dsn: str = pg.dsn) -> psycopg.Error:
        with closing(connect(target(dsn), application="test")) as connection, pytest.raises(psycopg.Error) as caught:
            work(connection)
        return caught.value

    def times_out(connection: psycopg.Connection) -> None:
        connection.execute("SET statement_timeout = '10ms'")
        connection.execute("SELECT pg_sleep(5)")

    def dies(connection: psycopg.Connection) -> None:
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        connection.execute("SELECT 1")
        connection.execute("SELECT 1")

    def reads_number(text: str, connection: psycopg.Connection) -> None:
        connection.execute("SELECT %s::text::int", (text,))

    slow = failure(times_out)
    assert isinstance(classify(slow), DeadlineExceeded)
    assert isinstance(classify(slow, cancelled=True), Interrupted)
    lost = classify(failure(dies))
    assert isinstance(lost, TargetUnreachable)
    assert lost.slug == "connection-lost"
    denied = classify(failure(lambda connection: connection.execute("CREATE SCHEMA x"), login))
    assert denied.slug == "privilege"
    for text in ("Kanari", 'with "quotes" and\nlines Kanari', "99999999999"):
        unread = classify(failure(partial(reads_number, text)))
        assert (type(unread), unread.slug) == (OperationFailed, "value")
        assert not {"Kanari", "99999999999"} & set(re.findall(r"\w+", unread.cause)), unread.cause
    nul = classify(failure(lambda connection: connection.execute("SELECT %s::text", ("a\0b",))))
    assert (type(nul), nul.slug) == (OperationFailed, "value")


@pytest.mark.parametrize(
    ("error", "kind", "slug"),
    [
        (psycopg.errors.DiskFull("no space"), OperationFailed, "target-disk-full"),
        (psycopg.errors.AdminShutdown("terminating"), TargetUnreachable, "connection-lost"),
        (psycopg.errors.CrashShutdown("terminating"), TargetUnreachable, "connection-lost"),
        (psycopg.errors.IdleInTransactionSessionTimeout("idle"), TargetUnreachable, "connection-lost"),
        (psycopg.OperationalError("server closed the connection unexpectedly"), TargetUnreachable, "connection-lost"),
        (psycopg.errors.TooManyConnections("sorry, too many clients"), TargetUnreachable, "too-many-connections"),
        (psycopg.errors.InvalidPassword("no"), TargetUnreachable, "authentication"),
        (psycopg.errors.DeadlockDetected("deadlock"), OperationFailed, "conflict"),
        (psycopg.errors.ReadOnlySqlTransaction("read only"), OperationFailed, "target-read-only"),
        (psycopg.errors.SyntaxError("syntax"), OperationFailed, "target-error"),
    ],
)
def test_a_failure_is_classified_by_its_sqlstate(error: psycopg.Error, kind: type[SdconsoleError], slug: str) -> None:
    found = classify(error)
    assert (type(found), found.slug) == (kind, slug)


def test_a_row_that_breaks_a_constraint_is_not_quoted(pg: Database) -> None:
    with closing(connect(target(pg.dsn), application="test")) as connection:
        connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, secret text NOT NULL)")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("INSERT INTO public.t VALUES (77123, NULL)")
    found = classify(caught.value)
    assert found.slug == "constraint"
    assert "secret" in found.cause
    assert "77123" not in f"{found} {found.cause}"


_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def _error_response(sqlstate: str, message: str) -> bytes:
    body = (
        b"".join(f"{kind}{text}\0".encode() for kind, text in (("S", "FATAL"), ("C", sqlstate), ("M", message))) + b"\0"
    )
    return b"E" + struct.pack("!i", len(body) + 4) + body


@contextmanager
def _fake_server(
    answer: bytes, heard: list[bytes] | None = None, *, bind: str = "127.0.0.1", hold: bool = False
) -> Iterator[int]:
    """Answers the first message of every connection; keeps what it was told in `heard`. Gives its port."""
    stop = threading.Event()
    with socket.create_server((bind, 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not stop.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                with client:
                    client.settimeout(3)
                    message = client.recv(4096)
                    if heard is not None:
                        heard.append(message)
                    client.sendall(answer)
                    if hold:
                        stop.wait(4)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _own_address() -> str:
    """An address of this machine that is not a loopback one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no network address besides the loopback one")
    return address
