"""The kinds of checks that look at other rules: how many of them pass, and how far they moved since the last time.

Such a rule is reported only, so that nothing is charged twice. Knows no SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdconsole.contract.model import Rule
from sdconsole.quality.score.model import Measure
from sdconsole.quality.score.population import literal
from sdconsole.quality.score.rule_facts import SAMPLES, Facts, bad_rule, number_option, text_option

_RANGE = re.compile(r"([A-Za-z]+)(\d+)-\1(\d+)")


def rule_ids(text: str) -> tuple[str, ...]:
    """The ids in a list such as "R1-R9, R44a"."""
    ids: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if found := _RANGE.fullmatch(part):
            letters, first, last = found.groups()
            ids += [f"{letters}{number}" for number in range(int(first), int(last) + 1)]
        else:
            ids.append(part)
    return tuple(ids)


def aggregate(rule: Rule, passed: Mapping[str, bool | None]) -> Measure:
    """How many of the rules in option `rules` pass; `passed` is None for a rule that was left out."""
    members = rule_ids(text_option(rule, "rules"))
    unknown = [member for member in members if member not in passed]
    if unknown or not members:
        raise bad_rule(rule, f"option 'rules' names no rules, or unknown ones: {', '.join(unknown)}")
    judged = [member for member in members if passed[member] is not None]
    if not judged:
        return Measure(left_out="none of its rules applies", passed=True)
    failed = [member for member in judged if not passed[member]]
    finding = f"SELECT {literal('not passed: ' + ', '.join(failed))} AS finding" if failed else ""
    return Measure(
        evaluated=len(judged), failed=len(failed), samples=tuple(failed), sql=finding, note=", ".join(failed)
    )


def drift(rule: Rule, facts: Facts, shares: Mapping[str, tuple[str, float]], rows: Mapping[str, int]) -> Measure:
    """Rows, missing shares and orphan shares against the previous score.

    `shares` are (check, share of failing rows) by rule id and `rows` the rows by table of this file. Options: `rows`
    in percent, `missing` and `orphans` in percentage points.
    """
    if facts.previous is None:
        return Measure(left_out="no baseline: nothing was deployed to this target before", passed=True)
    moved: list[str] = []
    compared = 0
    before_rows: Mapping[str, int] = facts.previous.get("rows", {})
    for table, now in rows.items():
        before = before_rows.get(table)
        if before:
            compared += 1
            change = 100.0 * (now - before) / before
            if abs(change) > number_option(rule, "rows"):
                moved.append(f"{table}: {before:,} rows, now {now:,} ({change:+.1f} %)")
    limits = {"filled": number_option(rule, "missing"), "orphans": number_option(rule, "orphans")}
    earlier = {line["id"]: line for line in facts.previous.get("ledger", ()) if not line.get("left_out")}
    for rule_id, (check, share) in shares.items():
        if check in limits and rule_id in earlier:
            compared += 1
            change = 100.0 * (share - float(earlier[rule_id]["share"]))
            if abs(change) > limits[check]:
                moved.append(f"{rule_id} {earlier[rule_id]['title']}: {change:+.1f} points")
    if not compared:
        return Measure(left_out="no baseline: the last score knows nothing that this file has", passed=True)
    finding = f"SELECT {literal('; '.join(moved))} AS finding" if moved else ""
    return Measure(
        evaluated=compared, failed=len(moved), samples=tuple(moved[:SAMPLES]), sql=finding, note="; ".join(moved[:3])
    )
