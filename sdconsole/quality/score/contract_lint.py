"""Reads a contract as an editor needs it: every mistake with its line, its key and what to do, not just the first.

The rules are tried too: on a private database with one row for each table, so that wrong options and wrong SQL are
found here and not at the end of a deployment.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sdconsole.contract.model import Column, Contract, Kind, Rule
from sdconsole.contract.problems import Problem, contract_problems, place_text, validation_problems
from sdconsole.contract.toml_lines import line_numbers, nearest_line
from sdconsole.errors import UsageError
from sdconsole.quality.clean.quarantine import create_quarantine
from sdconsole.quality.score.population import populations
from sdconsole.quality.score.rule_facts import Facts, number_option
from sdconsole.quality.score.rules import CHECK_KINDS, GROUP_KINDS, evaluate_rules
from sdconsole.small_file import parse_toml, read_small, reason
from sdconsole.source.catalog import quote

_CONTRACT = TypeAdapter(Contract)
_SYNTAX = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")
_SPECIMENS = {
    Kind.INTEGER: 1,
    Kind.DECIMAL: "1",
    Kind.REAL: 1.0,
    Kind.TEXT: "text",
    Kind.TIMESTAMP: "2025-01-01 00:00:00",
    Kind.JSON: "{}",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """`key` is "" for the file as a whole."""

    line: int
    key: str
    message: str


def lint_contract(path: Path) -> tuple[Mistake, ...]:
    """Every mistake in a contract's TOML, by line; () = it can be used.

    Raises UsageError "contract-unreadable".
    """
    try:
        content = read_small(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            "contract-unreadable",
            f"cannot read the contract {path}",
            cause=reason(error),
            next_step="check the path",
        ) from error
    return lint_text(content)


def lint_text(content: bytes) -> tuple[Mistake, ...]:
    try:
        text = content.decode("utf-8")
        data = parse_toml(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (Mistake(line, "", f"the file is not UTF-8: {error.reason}"),)
    except ValueError as error:
        return (_syntax_mistake(str(error), content),)
    lines = line_numbers(text)
    found = [
        Mistake(nearest_line(lines, problem.location), place_text(problem.location, data), problem.message)
        for problem in _problems(data)
    ]
    return tuple(sorted(found, key=lambda mistake: mistake.line))


def _syntax_mistake(message: str, content: bytes) -> Mistake:
    place = _SYNTAX.search(message)
    line = int(place[1]) if place and place[1] else content.count(b"\n") + 1
    column = f" (column {place[2]})" if place and place[2] else ""
    return Mistake(line, "", f"no valid TOML: {_SYNTAX.sub('', message)}{column}")


def _problems(data: dict[str, Any]) -> Iterator[Problem]:
    renamed = {key: value for key, value in data.items() if key not in ("table", "rule")}
    wanted = {"tables": data.get("table", []), "rules": data.get("rule", [])} | renamed
    try:
        contract = _CONTRACT.validate_python(wanted)
    except ValidationError as error:
        yield from validation_problems(error)
        return
    found = tuple(contract_problems(contract, checks=CHECK_KINDS))
    yield from found
    if not found:
        yield from rule_problems(contract)


def rule_problems(contract: Contract) -> Iterator[Problem]:
    """The rules that cannot be evaluated, each tried by itself; those about other rules when the others are sound."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _fill(connection, contract)
        facts = Facts(
            connection,
            contract,
            populations(connection, contract.tables),
            earliest="2020-01-01 00:00:00",
            latest="2030-01-01 00:00:00",
            previous={"rows": {}, "ledger": []},
        )
        groups = [pair for pair in enumerate(contract.rules) if pair[1].check in GROUP_KINDS]
        others = [pair for pair in enumerate(contract.rules) if pair[1].check not in GROUP_KINDS]
        sound = [rule for _, rule in others]
        for at, rule in others:
            if wrong := _tried(facts, rule, ()):
                sound.remove(rule)
                yield Problem(("rule", at), wrong)
        for at, rule in groups if len(sound) == len(others) else ():
            if wrong := _tried(facts, rule, sound):
                yield Problem(("rule", at), wrong)


def _tried(facts: Facts, rule: Rule, others: Sequence[Rule]) -> str:
    try:
        full, zero = number_option(rule, "full_percent", 0.0), number_option(rule, "zero_percent", 100.0)
        if full >= zero:
            return f"no points are lost up to {full:g} % and all from {zero:g} % on: the second must be greater"
        evaluate_rules(facts, (*others, rule), lambda: None)
    except UsageError as error:
        return error.cause or error.message
    except sqlite3.Error as error:
        return f"SQLite says: {error}"
    return ""


def _fill(connection: sqlite3.Connection, contract: Contract) -> None:
    """Every table with one row, in the form of a clean file."""
    create_quarantine(connection)
    for table in contract.tables:
        names = ", ".join(quote(column.name) for column in table.columns)
        connection.execute(f"CREATE TABLE {quote(table.name)} ({names})")
        marks = ", ".join("?" * len(table.columns))
        connection.execute(
            f"INSERT INTO {quote(table.name)} VALUES ({marks})",  # noqa: S608
            [_specimen(column) for column in table.columns],
        )


def _specimen(column: Column) -> object:
    if column.flag is not None:
        return column.flag[0]
    return column.values[0] if column.values else _SPECIMENS[column.kind]
