"""The first deployment into a live schema that holds tables of its own: they become a version, and a way back.

What is there is told in the preflight and in the question before the cutover; the cutover dumps it, takes it over, and
then switches. Whatever would stop the switch that follows is looked for before anything is taken over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sdconsole.core.runs import private_folder
from sdconsole.errors import CheckFailed, OperationFailed, SdconsoleError
from sdconsole.stages.blocked import Waiter
from sdconsole.stages.deployment import Context, now
from sdconsole.stages.loading import actor
from sdconsole.target.backup.backups import dump_version
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.rows import deployment_of, taken_names
from sdconsole.target.live.adoption import Survey, adopt, survey
from sdconsole.target.live.blockers import Blockers, Lookout
from sdconsole.target.live.dependents import dependents
from sdconsole.target.live.live_views import plan_changes
from sdconsole.target.names import VERSION, new_version_name

_PASSING: Final = frozenset({"lock-timeout", "conflict"})
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the next cutover takes over: `found` in the live schema. `version` "" = its name is not known yet."""

    live_schema: str
    version: str
    found: Survey

    @property
    def tables(self) -> str:
        return ", ".join(shape.name for shape in self.found.tables)

    def details(self) -> tuple[str, ...]:
        """Lines for whoever confirms the cutover."""
        views = ", ".join(shape.name for shape in self.found.views)
        name = self.version or "a version of their own"
        return (
            f"first adoption: the tables that are in {self.live_schema} now become {name}: {self.tables}",
            "they are dumped first, keep their rows and rights, and a rollback shows them again",
            *([f"its own views are made again over the live views, and follow live: {views}"] if views else []),
        )


def planned_adoption(connection: Connection, live_schema: str, version: str) -> Adoption | None:
    """What a cutover to `version` ("" = not made yet) would adopt first; None when there is nothing to adopt.

    The adopted version is named as if it had been made one second before `version`. Raises CheckFailed
    "adoption-refused" when it could not be adopted, or `version` could not take its place.
    """
    found = survey(connection, live_schema)
    if not found.needed:
        return None
    if not version:
        return Adoption(live_schema, "", found)
    hindrances = [*found.in_the_way, *_torn(connection, live_schema, found, version)]
    if hindrances:
        raise CheckFailed(
            "adoption-refused",
            f"{live_schema} cannot be adopted and switched to {version}",
            cause="; ".join(hindrances),
            state=f"nothing was changed; {version} is ready",
            next_step="move or drop what is named here, then: sdconsole resume",
        )
    spelled = VERSION.fullmatch(version)
    assert spelled is not None
    made = datetime.strptime(spelled["stamp"], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    before = new_version_name(live_schema, made - timedelta(seconds=1), taken_names(connection))
    return Adoption(live_schema, before, found)


def _torn(connection: Connection, live_schema: str, found: Survey, version: str) -> Iterator[str]:
    """Views of the schema that the switch after the adoption would have to break, and names it could not take."""
    published = deployment_of(connection, version).tables
    adopted = {shape.name: replace(shape, kind="v") for shape in found.tables}
    views = {shape.name: shape for shape in found.views}
    for shape in published:
        if shape.name in views:
            yield f"the view {live_schema}.{shape.name} has the name of one that every version brings along"
    free = [shape for shape in published if shape.name not in views]
    changes = plan_changes(live_schema, adopted, free, adopted.keys())
    broken = [change.name for change in changes if change.action in ("rebuild", "drop")]
    oids = _oids(connection, live_schema, [*broken, *views])
    of_views = {oids[name] for name in views}
    for one in dependents(connection, [oids[name] for name in broken]):
        if one.relation in of_views:
            yield f"{one.name} depends on {one.on}, which goes or whose columns change with {version}"


def _oids(connection: Connection, schema: str, names: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(
        "SELECT c.relname::text, c.oid::bigint FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = ANY(%s)",
        [schema, list(names)],
    ).fetchall()
    return dict(rows)


@contextmanager
def adopted_first(ctx: Context, connection: Connection, version: str) -> Iterator[None]:
    """Takes over what is in the live schema, where that is needed, before the block switches to `version`.

    Readers see the same rows before and after. When the block fails, its error says that they were adopted.
    """
    target = ctx.deployment.needed_target()
    adoption = planned_adoption(connection, target.live_schema, version)
    if adoption is None:
        yield
        return
    folder = private_folder(ctx.deployment.backups)
    dump = dump_version(target, target.live_schema, folder, run_id=ctx.run_id, created=now(), check=ctx.checkpoint)
    ctx.log(f"{target.live_schema} was dumped to {dump.path} before its adoption")
    _take_over(ctx, connection, adoption)
    ctx.log(f"the tables of {target.live_schema} are {adoption.version} now: {adoption.tables}")
    try:
        yield
    except SdconsoleError as error:
        same = f"readers see the same rows as before; they are the version {adoption.version} now"
        error.state = f"{error.state}; {same}" if error.state else same
        raise


def _take_over(ctx: Context, connection: Connection, adoption: Adoption) -> None:
    """Adopts, and waits a moment and tries again while another session is in the way, up to the cutover's deadline."""
    settings, target = ctx.deployment.settings, ctx.deployment.needed_target()
    began, deadline_seconds = time.monotonic(), settings.cutover_deadline_seconds
    names = tuple(shape.name for shape in (*adoption.found.tables, *adoption.found.views))
    lookout, waiter, attempts = Lookout(adoption.live_schema, names), Waiter(ctx, connection), 0
    while True:
        attempts += 1
        try:
            adopt(connection, target, adoption.version, actor=actor(ctx), check=ctx.checkpoint)
        except OperationFailed as error:
            waited = time.monotonic() - began
            if error.slug not in _PASSING or waited >= deadline_seconds:
                raise
            waiter(Blockers(lookout.look(connection), waited, deadline_seconds, attempts))
            ctx.cancellation.wait(_PAUSE_SECONDS)
        else:
            waiter.tell_after_commit()
            return
