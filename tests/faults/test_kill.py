"""kill -9 at every edge of every stage, at random instants, during a resume and during a rollback."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from tests.faults.processes import Process
from tests.faults.trials import COMPLETE, SIMPLE, STAGES, Fault, Site, Sites, Tables, kill_at, killed

EDGES = (("stage_started", "after"), ("stage_finished", "before"), ("stage_finished", "after"))
"""Begun but nothing done; done but not yet on record; on record but nothing after it."""
COMMIT = "sdconsole.target.live.attempt:commit"
AROUND_COMMIT = [{"at": COMMIT, "when": when, "action": "kill"} for when in ("before", "after")]
ROLLBACK_FAULTS: list[Fault] = [
    *AROUND_COMMIT,
    *(kill_at(stage, kind, when) for stage in ("rollback", "verify") for kind, when in EDGES),
]

Start = Callable[..., Process]


def again(site: Site, command: Start, *, fault: Fault | None = None) -> Process:
    """What an operator does after a run died: resume it, or give the command again when it never began."""
    begun = any(journal.stat().st_size for journal in site.journals())
    return site.start_resume(fault=fault) if begun else command(fault=fault)


def allowed_after(site: Site, stage: str, kind: str) -> Tables:
    """What readers must see when a deployment died at this edge."""
    late = STAGES.index(stage) > STAGES.index("cutover") or (stage == "cutover" and kind == "stage_finished")
    return site.rehearsed.new if late else site.rehearsed.old


def killed_at_every_edge(site: Site, rng: random.Random) -> None:
    """One run that dies once at one edge of each of its ten stages, carried on each time."""
    for stage in STAGES:
        kind, when = rng.choice(EDGES)
        killed(site, again(site, site.start_deploy, fault=kill_at(stage, kind, when)))
        site.check_standing(allowed_after(site, stage, kind))
    site.check_deployed(again(site, site.start_deploy).wait())


def killed_at_one_edge(site: Site, rng: random.Random) -> None:
    stage, (kind, when) = rng.choice(STAGES), rng.choice(EDGES)
    killed(site, site.start_deploy(fault=kill_at(stage, kind, when)))
    site.check_standing(allowed_after(site, stage, kind))
    site.check_deployed(site.start_resume().wait())


def killed_at_random_instants(site: Site, rng: random.Random, *, kills: int = 6) -> int:
    """A run that is killed by its parent, again and again, wherever it is, until it is over. How often it was."""
    lasts = site.rehearsed.documents[site.mode]["duration_s"]
    process = site.start_deploy()
    fired = 0
    while fired < kills:
        time.sleep(rng.uniform(0, lasts if fired == 0 else lasts / 3))
        if not process.running:
            break
        process.kill()
        if process.wait().code != -9:
            break
        fired += 1
        site.check_standing(site.rehearsed.old, site.rehearsed.new)
        process = again(site, site.start_deploy)
    site.check_deployed(process.wait())
    return fired


def kills_at_random_instants(sites: Sites, first_seed: int, kills: int) -> None:
    """As many runs as it takes."""
    fired: list[int] = []
    seed = first_seed
    while sum(fired) < kills:
        runs = range(seed, seed + max(2, (kills - sum(fired)) // 6))
        sites.run(lambda site, rng: fired.append(killed_at_random_instants(site, rng)), runs, modes=(COMPLETE, SIMPLE))
        seed = runs.stop


def rollback_killed(site: Site, rng: random.Random) -> None:
    """The run dies once or twice, at chosen places or at any instant; in the end live is one version back, not two."""
    old, new = site.rehearsed.old, site.rehearsed.new
    fault = rng.choice([*ROLLBACK_FAULTS, None])
    process = site.start_rollback(fault=fault)
    if fault is None:
        time.sleep(rng.uniform(0, 0.6))
        process.kill()
        if process.wait().code == 0:
            return
    else:
        killed(site, process)
    site.check_standing(old, new)
    process = again(site, site.start_rollback)
    time.sleep(rng.uniform(0, 0.6))
    process.kill()
    ended = process.wait()
    if ended.code == -9:
        site.check_standing(old, new)
        ended = again(site, site.start_rollback).wait()
    site.check_done(ended, old)


@pytest.mark.parametrize(("kind", "when"), EDGES)
def test_a_deployment_killed_at_the_edges_of_cutover_is_finished_by_resume(site: Site, kind: str, when: str) -> None:
    killed(site, site.start_deploy(fault=kill_at("cutover", kind, when)))
    site.check_standing(allowed_after(site, "cutover", kind))
    site.check_deployed(site.start_resume().wait())


@pytest.mark.parametrize("fault", AROUND_COMMIT, ids=["before commit", "after commit"])
def test_a_deployment_killed_around_its_commit_is_finished_by_resume(site: Site, fault: Fault) -> None:
    killed(site, site.start_deploy(fault=fault))
    site.check_standing(site.rehearsed.new if fault["when"] == "after" else site.rehearsed.old)
    site.check_deployed(site.start_resume().wait())


@pytest.mark.parametrize("fault", ROLLBACK_FAULTS, ids=str)
def test_a_rollback_killed_anywhere_goes_back_one_version_and_not_two(deployed: Site, fault: Fault) -> None:
    killed(deployed, deployed.start_rollback(fault=fault))
    deployed.check_standing(deployed.rehearsed.old, deployed.rehearsed.new)
    deployed.check_done(deployed.start_resume().wait(), deployed.rehearsed.old)


def test_a_run_that_dies_in_every_stage_is_finished_in_the_end(sites: Sites, first_seed: int) -> None:
    sites.run(killed_at_every_edge, range(first_seed, first_seed + 5))


def test_a_run_killed_at_random_instants_is_finished_by_resume(sites: Sites, first_seed: int) -> None:
    kills_at_random_instants(sites, first_seed, 50)


def test_a_rollback_and_its_resume_killed_at_random_go_back_one_version(sites: Sites, first_seed: int) -> None:
    sites.run(rollback_killed, range(first_seed, first_seed + 10), deployed=True)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_runs_killed_at_the_edges_of_their_stages(sites: Sites, first_seed: int) -> None:
    sites.run(killed_at_one_edge, range(first_seed, first_seed + 500))
    sites.run(killed_at_every_edge, range(first_seed, first_seed + 50))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_runs_killed_at_random_instants(sites: Sites, first_seed: int) -> None:
    kills_at_random_instants(sites, first_seed, 1000)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_rollbacks_killed(sites: Sites, first_seed: int) -> None:
    sites.run(rollback_killed, range(first_seed, first_seed + 300), deployed=True)
