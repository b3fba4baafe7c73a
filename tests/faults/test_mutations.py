"""The trials watch over the product; this watches over the trials: with a guard taken out they must fail."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.processes import Launcher
from tests.faults.test_disk import disk_fails, failing_disk
from tests.faults.test_kill import AROUND_COMMIT, ROLLBACK_FAULTS
from tests.faults.test_link import PATIENCE, RESOLVE, black_hole, commit_lost
from tests.faults.test_rivals import deployments_at_once, operators_at_once
from tests.faults.test_source import source_changed
from tests.faults.trials import SIMPLE, Site, Sites, killed

__all__ = ["failing_disk"]

Trial = Callable[[Site, random.Random], None]


def source_changed_late(site: Site, rng: random.Random) -> None:
    source_changed(site, rng, "row", moment="validate")


def commit_reply_lost(site: Site, rng: random.Random) -> None:
    commit_lost(site, rng, "lose the reply")


def killed_after_commit(site: Site, _rng: random.Random) -> None:
    killed(site, site.start_deploy(fault=AROUND_COMMIT[1]))
    site.check_standing(site.rehearsed.new)
    site.check_deployed(site.start_resume().wait())


def rollback_killed_after_commit(site: Site, _rng: random.Random) -> None:
    killed(site, site.start_rollback(fault=ROLLBACK_FAULTS[1]))
    site.check_standing(site.rehearsed.old)
    site.check_done(site.start_resume().wait(), site.rehearsed.old)


def silent_in_profile(site: Site, rng: random.Random) -> None:
    black_hole(site, rng, "profile", within_seconds=8, patience=PATIENCE | RESOLVE)


MUTATIONS: list[tuple[str, Trial, bool]] = [
    ("lock", operators_at_once, False),
    ("lock", deployments_at_once, False),
    ("digest check", source_changed_late, False),
    ("switch token", commit_reply_lost, False),
    ("own switch", killed_after_commit, False),
    ("own switch", rollback_killed_after_commit, True),
    ("link watch", silent_in_profile, False),
]


NAMES = [f"{guard}-{trial.__name__}" for guard, trial, _ in MUTATIONS]
QUICK = [
    one for one in MUTATIONS if one[1] not in (deployments_at_once, rollback_killed_after_commit, silent_in_profile)
]


@pytest.mark.parametrize(("guard", "trial", "deployed"), QUICK, ids=[guard for guard, _, _ in QUICK])
def test_without_a_guard_its_trial_fails(
    sites: Sites, first_seed: int, guard: str, trial: Trial, deployed: bool
) -> None:
    """That they pass with the guard is what the other modules show."""
    with sites.site(deployed=deployed, mode=SIMPLE) as site:
        site.without = (guard,)
        with pytest.raises(AssertionError):
            trial(site, random.Random(first_seed))


def test_without_syncs_an_error_of_the_disk_never_strikes(sites: Sites, failing_disk: Launcher) -> None:
    with sites.site(launcher=failing_disk, mode=SIMPLE) as site:
        site.without = ("fsync",)
        assert not disk_fails(site, "fsync", 20, sticky=False)


@pytest.mark.long
@pytest.mark.parametrize(("guard", "trial", "deployed"), MUTATIONS, ids=NAMES)
def test_without_a_guard_its_trial_fails_and_with_it_not(
    sites: Sites, first_seed: int, guard: str, trial: Trial, deployed: bool
) -> None:
    with sites.site(deployed=deployed) as site:
        trial(site, random.Random(first_seed))
    with sites.site(deployed=deployed) as site:
        site.without = (guard,)
        with pytest.raises(AssertionError):
            trial(site, random.Random(first_seed))


@pytest.mark.long
def test_with_syncs_an_error_of_the_disk_strikes(sites: Sites, failing_disk: Launcher) -> None:
    with sites.site(launcher=failing_disk) as site:
        assert disk_fails(site, "fsync", 20, sticky=False)
