"""One process to a run and one run to a target; what dead ones left behind is found and ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg

from sdconsole.core import runs
from sdconsole.core.events import LogLine
from sdconsole.errors import TargetLocked, from_os_error
from sdconsole.stages.deployment import Deployment
from sdconsole.target.connect import connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.ghosts import end_ghosts, ghosts
from sdconsole.target.ledger.leftovers import clear_leftovers
from sdconsole.target.ledger.lock import RunLock, acquire, holder
from sdconsole.target.live.published import drift


@contextmanager
def writing(state_folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, f"the state folder {state_folder} cannot be written") from error


def claim_folder(resources: ExitStack, deployment: Deployment) -> None:
    """The run's folder, held by this process alone until the run ends."""
    state_folder = deployment.settings.state_dir
    with writing(state_folder):
        deployment.folder = resources.enter_context(runs.claimed_folder(state_folder, deployment.run_id))
        runs.remove_unborn(state_folder)
        for unfinished in deployment.folder.glob(".*.tmp"):  # of an attempt that was killed while it wrote
            unfinished.unlink()


def target_lock(deployment: Deployment, *, resumes: bool) -> RunLock:
    """The target's lock, also when only a session of a dead run of this machine still holds it.

    After a broken link the server may not notice for minutes that nobody listens to a session any more.
    """
    target = deployment.needed_target()

    def take() -> RunLock:
        connection = connect(target, application=deployment.application)
        return acquire(connection, target, deployment.run_id, operator=deployment.operator, host=deployment.host)

    try:
        return take()
    except TargetLocked:
        if not _dead_holder_ended(deployment, resumes=resumes):
            raise
    return take()


def _dead_holder_ended(deployment: Deployment, *, resumes: bool) -> bool:
    """Whether the lock's holder is a run of this state folder that no process executes; then its sessions are ended."""
    target = deployment.needed_target()
    with closing(connect(target, application=deployment.application)) as connection:
        try:
            held = holder(connection, target.live_schema)
            if held is None or held.host != deployment.host:
                return False
            own = resumes and held.run_id == deployment.run_id
            if not own and not runs.is_dead(deployment.settings.state_dir, held.run_id):
                return False
            end_ghosts(connection, ghosts(connection, [held.run_id]))
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.Error as error:
            raise classify(error) from error
    return True


def look_after_the_dead(deployment: Deployment) -> tuple[LogLine, ...]:
    """Now that the lock is ours: end what dead runs left on the server, and say what they left unfinished."""
    target, lock = deployment.needed_target(), deployment.lock
    with closing(connect(target, application=deployment.application)) as connection:
        try:
            recovered = lock.recovered if lock is not None else None
            return clear_leftovers(connection, target.live_schema, deployment.run_id, recovered=recovered)
        except psycopg.Error as error:
            raise classify(error) from error


def told_drift(deployment: Deployment) -> tuple[LogLine, ...]:
    """Where the live views are not what the ledger says, and how to repair that; for runs that have no preflight."""
    target = deployment.needed_target()
    with closing(connect(target, application=deployment.application)) as connection:
        try:
            found = drift(connection, target.live_schema)
        except psycopg.Error as error:
            raise classify(error) from error
    return (LogLine("warning", found),) if found else ()
