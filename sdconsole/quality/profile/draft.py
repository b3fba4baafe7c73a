"""Drafts a contract for a database that nobody described: what its values prove, and the evidence beside it.

The draft says no more than the file shows: types that at least 95 percent of the values have, keys without a repeat,
orders of day and month that some value settles, references whose every value is there. It deploys the file it was made
from as no contract would, only that columns are judged by their values and not by the types that the file declares;
and it is there to be edited by somebody who knows more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sdconsole.contract.load import load_contract, parse_contract
from sdconsole.contract.model import Contract, DateOrder, Kind, Reference, Rule, Table
from sdconsole.contract.toml_text import comment, toml
from sdconsole.quality.drift.shape import deployed_tables, proven_type
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.draft_references import proven_references
from sdconsole.quality.profile.model import ColumnProfile, Profile, TableProfile
from sdconsole.quality.score.plain_rules import plain_rules
from sdconsole.quality.shares import percent
from sdconsole.source.open import open_source

_LIKE_AN_ID = re.compile(r"(?:.*[^a-z])?(?:id|key|code|no|nr|num|number|uuid|guid|login|username)", re.IGNORECASE)
_CAMEL_ID = re.compile(r".*[a-z](?:Id|ID|Key|Code|No|Nr|Number)")
_FIRST_YEAR = 2020
_SAMPLES = 3


def draft_contract(path: Path, *, progress: Callable[[int, int | None], None]) -> str:
    """The draft as TOML; `parse_contract` has accepted it.

    `progress(rows done, rows in all)` may raise. Raises what `profile_database` raises.
    """
    tokens = load_contract().missing_tokens
    nothing = Contract(name="draft", version="1", tables=(), missing_tokens=tokens)
    profile = profile_database(path, nothing, answers=None, progress=progress)
    tables = tuple(_with_key(table, profile) for table in deployed_tables(nothing, profile))
    with closing(open_source(path)) as connection:
        references = proven_references(connection, profile, tables)
    text = "\n".join(_lines(path, profile, tables, references, tokens)) + "\n"
    parse_contract(text.encode(), source=f"the draft for {path}")
    return text


def _with_key(table: Table, profile: Profile) -> Table:
    """Where the file declares no usable key: the first column that looks like an id and never repeats."""
    found = profile.table(table.name)
    if table.key or found is None or found.rows < 2:
        return table
    for name in found.candidate_keys:
        column, proven = found.column(name), table.column(name)
        if column is None or proven is None or not _is_id(name) or not _is_lossless(column, proven.type):
            continue
        return replace(table, key=(name,))
    return table


def _is_id(name: str) -> bool:
    return bool(_LIKE_AN_ID.fullmatch(name) or _CAMEL_ID.fullmatch(name))


def _is_lossless(column: ColumnProfile, type_name: str) -> bool:
    """A key may lose no value to quarantine, nor change one."""
    plain = not (column.bad_utf8 or column.control_characters)
    return column.unique and plain and type_name in ("bigint", "text") and (
        type_name == "text" or column.matching == column.non_missing
    )  # fmt: skip


def _lines(
    path: Path,
    profile: Profile,
    tables: tuple[Table, ...],
    references: dict[str, tuple[Reference, ...]],
    tokens: tuple[str, ...],
) -> Iterator[str]:
    yield comment(f"Drafted from {path.name}: {profile.rows:,} rows in {len(profile.tables)} tables.")
    yield comment("What stands here is what the values prove; the comments are the evidence. Edit it, then:")
    yield comment("sdconsole contract lint THIS-FILE")
    yield ""
    yield f"name = {toml(re.sub(r'[^a-z0-9_-]+', '-', path.stem.lower()).strip('-') or 'draft')}"
    yield 'version = "1"'
    yield f'timezone = "UTC"  {comment("of the times without an offset")}'
    first = min((c.dates.first for c in profile.columns() if c.dates and c.dates.first), default=None)
    year = min(int(first[:4]), _FIRST_YEAR) if first else _FIRST_YEAR
    seen = f"the first date in the file is {first[:10]}" if first else "the file holds no dates"
    yield f'earliest = "{year:04}-01-01"  {comment(f"dates before are reported; {seen}")}'
    yield f"missing_tokens = {toml(tokens)}  {comment(_token_evidence(profile))}"
    for skipped in profile.skipped:
        yield comment(f"not read: {skipped}")
    for table in tables:
        yield from _table_lines(table, profile, references.get(table.name, ()))
    yield ""
    yield ""
    yield comment("Every table is worth the same: values fit their types, keys are there, keys occur once.")
    for table in tables:
        for rule in plain_rules(table, len(tables)):
            yield from _rule_lines(rule)


def _token_evidence(profile: Profile) -> str:
    counts: dict[str, int] = {}
    for column in profile.columns():
        for token, cells in column.token_counts.items():
            counts[token] = counts.get(token, 0) + cells
    listed = sorted(counts.items(), key=lambda item: -item[1])[:8]
    return "in the file: " + (", ".join(f"{token!r} {cells:,}" for token, cells in listed) or "none of them")


def _table_lines(table: Table, profile: Profile, references: tuple[Reference, ...]) -> Iterator[str]:
    found = profile.table(table.name)
    if found is None:
        return
    yield ""
    yield "[[table]]"
    yield f"name = {toml(table.name)}  {comment(f'{found.rows:,} rows')}"
    yield from _key_lines(table, found)
    if references:
        yield "references = ["
        for reference in references:
            child = found.column(reference.column)
            values = child.non_missing if child else 0
            entry = {"column": reference.column, "table": reference.table, "parent_column": reference.parent_column}
            yield f"    {toml(entry)},  {comment(f'all of its {values:,} values are there')}"
        yield "]"
    yield "columns = ["
    for column in table.columns:
        seen = found.column(column.name)
        entry_of: dict[str, object] = {"name": column.name, "type": column.type}
        if column.name in table.key:
            entry_of |= {"required": True}
        if seen is not None and column.kind is Kind.TIMESTAMP and (order := _order(seen)) is not None:
            entry_of |= {"date_order": order.value}
        yield f"    {toml(entry_of)},  {comment(_evidence(seen) if seen else '')}"
    yield "]"


def _key_lines(table: Table, found: TableProfile) -> Iterator[str]:
    others = [name for name in found.candidate_keys if name not in table.key]
    if table.key:
        why = "declared, and it never repeats" if table.key == found.key else "not declared; it never repeats"
        yield f"key = {toml(table.key)}  {comment(why)}"
    elif found.key:
        yield comment(f"declared as key, and no use as one: {', '.join(found.key)}")
    elif found.rows:
        yield comment("no key: rows that repeat each other are all deployed")
    if others:
        yield comment(f"also never repeated: {', '.join(others[:6])}")


def _order(column: ColumnProfile) -> DateOrder | None:
    proven = column.dates.inferred if column.dates else DateOrder.NONE
    return proven if proven in (DateOrder.DMY, DateOrder.MDY) else None


def _evidence(column: ColumnProfile) -> str:
    if not column.non_missing:
        return f"no values in {column.rows:,} rows; declared {column.declared_type or 'without a type'}"
    share = f"{percent(column.confidence or 0.0)} {column.detected}"
    about = "" if column.distinct_exact else "about "
    parts = [f"{column.non_missing:,} values, {share}, {about}{column.distinct:,} different"]
    if column.missing:
        parts.append(f"{column.missing:,} missing")
    dates = column.dates
    if dates is not None:
        if dates.day_first or dates.month_first:
            parts.append(f"{dates.day_first:,} can only be day first, {dates.month_first:,} only month first")
        if dates.unresolved:
            parts.append(
                f'{dates.unresolved:,} dates can be read either way: type "timestamp" and a date_order, if you know it'
            )
        elif dates.first:
            parts.append(f"{dates.first} to {dates.last}")
    if proven_type(column) == "text" and column.matching != column.non_missing and dates is None:
        parts.append(f"declared {column.declared_type or 'without a type'}")
    shown = [sample for sample in column.samples[:_SAMPLES] if len(sample) <= 40]
    return "; ".join(parts) + (f"; e.g. {', '.join(map(repr, shown))}" if shown else "")


def _rule_lines(rule: Rule) -> Iterator[str]:
    yield ""
    yield "[[rule]]"
    for name in ("id", "title", "check", "table", "columns", "dimension", "severity", "tolerance_percent"):
        value = getattr(rule, name)
        if value:
            yield f"{name} = {toml(value)}"
    yield f"points = {toml(round(rule.points, 6))}"
    if rule.options:
        yield f"options = {toml(rule.options)}"
    yield f"reason = {toml(rule.reason)}"
