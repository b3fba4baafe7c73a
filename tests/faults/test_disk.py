"""The disk refuses: full at any size, or an error at the N-th write, sync or rename, once or from then on."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import checker
from tests.faults.processes import Launcher, launcher
from tests.faults.test_kill import again
from tests.faults.trials import Fault, Site, Sites

SHIM = Path(__file__).with_name("io_faults.c")
CALLS = {"write": 260, "pwrite": 900, "fsync": 150, "rename": 14}
"""About as many of each as one deployment makes."""


def no_half_file(site: Site) -> None:
    """What has its final name is whole, what has none is gone."""
    checker.check_files(site.state, site.temporary)
    checker.check_backups(site.state / "backups")


def disk_full_at(site: Site, limit: int) -> None:
    """No file may grow beyond `limit` bytes."""
    process = site.start(
        "deploy", str(site.source), "--dsn", site.dsn, "--yes", "--confirm", "servicedesk", "--json",
        file_size_limit=limit,
    )  # fmt: skip
    ended = process.wait()
    document = site.told(ended)
    assert ended.code == 1, ended.err
    assert document["error"]["slug"] in ("disk-full", "output-unwritable", "file-error"), document["error"]
    site.check_standing(site.rehearsed.old)
    no_half_file(site)
    site.check_deployed(again(site, site.start_deploy).wait())


@pytest.mark.parametrize("share", [0.02, 0.06, 0.3, 0.7, 0.999])
def test_a_full_disk_is_told_and_leaves_no_half_file(site: Site, share: float) -> None:
    """As shares of the export's size: below the journal's, the profile's, and just below the copy's."""
    disk_full_at(site, round(site.source.stat().st_size * share))


@pytest.fixture(scope="module")
def failing_disk(fault_folder: Path) -> Iterator[Launcher]:
    """Commands under the shim that makes file operations fail."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/proc/self/maps").exists():
        pytest.skip("the failing disk is a C library for Linux, and there is no C compiler here")
    library = fault_folder / "io_faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SHIM), "-ldl"], check=True)
    with launcher(fault_folder / "failing-disk.err", LD_PRELOAD=str(library)) as commands:
        yield commands


def disk_fails(site: Site, operation: str, at: int, *, sticky: bool, fault: Fault | None = None) -> bool:
    """False when the run was over before there were so many operations."""
    proof = site.folder.parent / "io-fault"
    undisturbed = dict(site.environment)
    site.environment |= {"IO_FAULT_OP": operation, "IO_FAULT_AT": str(at), "IO_FAULT_PROOF": str(proof)}
    site.environment |= {"IO_FAULT_STICKY": "1"} if sticky else {}
    ended = site.start_deploy(fault=fault).wait()
    site.environment = undisturbed
    document = site.told(ended)
    if not proof.exists():
        site.check_deployed(ended)
        return False
    site.check_standing(site.rehearsed.old, site.rehearsed.new)
    if ended.code == 0:
        site.check_deployed(ended)
        return True
    assert ended.code in (1, 9), ended.err
    assert (ended.code == 9) == document.get("live_changed", False), ended.err
    site.check_deployed(again(site, site.start_deploy).wait())
    return True


def test_an_error_of_the_disk_is_told_and_resume_finishes(
    sites: Sites, failing_disk: Launcher, first_seed: int
) -> None:
    def trial(given: Site, rng: random.Random) -> None:
        given.launcher = failing_disk
        operation = list(CALLS)[rng.randrange(2**16) % 4]
        at = rng.randint(1, CALLS[operation] // 2)
        assert disk_fails(given, operation, at, sticky=rng.random() < 0.5), f"{operation} {at} was never reached"

    sites.run(trial, range(first_seed, first_seed + 8))


@pytest.mark.long
@pytest.mark.timeout(10_800)
@pytest.mark.parametrize("sticky", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("operation", CALLS)
def test_every_operation_of_the_disk_may_fail(
    sites: Sites, failing_disk: Launcher, operation: str, sticky: bool
) -> None:
    """The N-th one fails, for N = 1, 2, ... until a run gets through untouched."""
    step = max(1, CALLS[operation] // 150)
    at, reached = 1, True
    while reached:
        with sites.site(launcher=failing_disk) as site:
            try:
                reached = disk_fails(site, operation, at, sticky=sticky)
            except BaseException as error:
                error.add_note(f"{operation} number {at}")
                raise
        at += step
    assert at > 3 * step
