"""One bit of a backup is flipped: it is refused, every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdconsole.errors import CheckFailed
from sdconsole.target.backup import verify_backup
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
