"""Finds what else in the database hangs on relations that are about to be dropped or renamed.

Works from pg_depend, so it sees what PostgreSQL itself would cascade to: views, materialised views, rules, triggers,
functions with parsed bodies or row types in their signature, columns of a row type, foreign keys, publications.
Functions that keep their body as text leave no trace there; they find their tables by name at run time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection


@dataclass(frozen=True, slots=True)
class Dependent:
    """`name` is what depends, e.g. "view reports.open_tickets"; `on` the relation it hangs on.

    `relation` is the oid of the table or view that the dependent is or belongs to, None for functions and the like;
    `is_relation` tells the two apart.
    """

    name: str
    on: str
    schema: str | None
    relation: int | None
    is_relation: bool


_QUERY = """
WITH relation AS (
    SELECT c.oid, c.reltype FROM pg_catalog.pg_class c WHERE c.oid = ANY(%(relations)s::oid[])
), member(classid, objid, relation) AS (
    SELECT 'pg_catalog.pg_class'::regclass, oid, oid FROM relation
    UNION ALL SELECT 'pg_catalog.pg_type'::regclass, reltype, oid FROM relation WHERE reltype <> 0
    UNION ALL SELECT 'pg_catalog.pg_type'::regclass, t.typarray, r.oid
        FROM relation r JOIN pg_catalog.pg_type t ON t.oid = r.reltype WHERE t.typarray <> 0
), hanging AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid, m.relation, coalesce(w.ev_class, k.conrelid, g.tgrelid, f.adrelid,
           p.polrelid, c.oid) AS owner, w.rulename
    FROM member m
    JOIN pg_catalog.pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype <> 'i'
    LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_catalog.pg_trigger g ON d.classid = 'pg_catalog.pg_trigger'::regclass AND g.oid = d.objid
    LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid
    LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
    WHERE NOT EXISTS (SELECT FROM member own WHERE own.classid = d.classid AND own.objid = d.objid)
      AND NOT (coalesce(w.rulename = '_RETURN', false) AND w.ev_class = m.relation)
)
SELECT CASE WHEN h.rulename = '_RETURN'
            THEN (SELECT CASE o.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END
                         || o.oid::regclass::text FROM pg_catalog.pg_class o WHERE o.oid = h.owner)
            ELSE pg_catalog.pg_describe_object(h.classid, h.objid, h.objsubid) END,
       h.relation::regclass::text, coalesce(n.nspname::text, (i.found).schema), h.owner::bigint,
       coalesce(h.rulename = '_RETURN', h.classid = 'pg_catalog.pg_class'::regclass)
FROM hanging h
CROSS JOIN LATERAL (SELECT pg_catalog.pg_identify_object(h.classid, h.objid, h.objsubid) AS found) i
LEFT JOIN pg_catalog.pg_class o ON o.oid = h.owner
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
ORDER BY 2, 1
"""


def dependents(connection: Connection, relations: Collection[int]) -> tuple[Dependent, ...]:
    """What hangs directly on the relations with these oids, themselves and their own parts left out.

    Indexes, constraints and triggers of a table hang on it too: callers tell them by `relation`.
    """
    rows = connection.execute(_QUERY, {"relations": list(relations)}).fetchall()
    return tuple(dict.fromkeys(Dependent(*row) for row in rows))


def dependents_outside(connection: Connection, schema: str) -> tuple[Dependent, ...]:
    """What of other schemas hangs on the relations of this one."""
    members = connection.execute(
        "SELECT c.oid::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')",
        [schema],
    ).fetchall()
    own = {row[0] for row in members}
    inside = {schema, "pg_toast"}
    return tuple(
        found
        for found in dependents(connection, own)
        if found.schema not in inside and (found.relation is None or found.relation not in own)
    )


def refused(found: Collection[Dependent], what: str, *, next_step: str) -> CheckFailed:
    """The error that names what stands in the way of `what`, e.g. "servicedesk cannot be switched to ..."."""
    named = ", ".join(f"{one.name} depends on {one.on}" for one in found)
    return CheckFailed("dependents", what, cause=named, next_step=next_step)
