"""`sdconsole contract` and `sdconsole rules`: look at a contract, check one, draft one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter

from sdconsole.config import load_settings
from sdconsole.contract.model import Contract, Table
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.quality.profile.draft import draft_contract
from sdconsole.quality.score.contract_lint import lint_contract
from sdconsole.service.targets import contract_of
from sdconsole.source.claim import claimed
from sdconsole.source.open import new_file, refuse_same_file
from sdconsole.stages.intake import check_intake

contract_app = typer.Typer(no_args_is_help=True, help="What the data should look like: show, check or draft it.")
rules_app = typer.Typer(no_args_is_help=True, help="The rules of a contract.")
_CONTRACT = TypeAdapter(Contract)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(contract_app, name="contract")
    app.add_typer(rules_app, name="rules")


@contract_app.command("show")
def show(contract: opt.ContractPath = None, json: opt.Json = False) -> None:
    """The contract in use: tables, columns with their types, keys, references, rules."""
    found = contract_of(load_settings(contract=contract))
    if json:
        write_json({"schema": 1, "contract": _CONTRACT.dump_python(found, mode="json")})
        return
    columns = sum(len(one.columns) for one in found.tables)
    write_result(f"contract {safe_text(found.name)} {safe_text(found.version)}, {safe_text(found.source)}")
    write_result(
        f"  {len(found.tables)} tables, {columns} columns, {len(found.rules)} rules; times in {found.timezone}"
    )
    write_result(f"  missing are: {safe_text(', '.join(found.missing_tokens)) or 'empty cells only'}")
    for one in found.tables:
        _show_table(one)


def _show_table(one: Table) -> None:
    traits = [word for word, has in (("must hold rows", one.big), ("optional", one.optional)) if has]
    if one.row_key:
        traits.append(f"key {', '.join(one.row_key)}")
    write_result("")
    write_result(safe_text(f"{one.name}: {'; '.join(traits) or 'no key'}"))
    references = {reference.column: reference for reference in one.references}
    rows = []
    for column in one.columns:
        notes = [word for word, has in (("required", column.required), ("not null", column.not_null)) if has]
        if column.date_order is not None:
            notes.append(column.date_order)
        if column.name in references:
            reference = references[column.name]
            notes.append(f"names {reference.table}.{reference.parent_column}")
        rows.append([f"  {column.name}", column.type, ", ".join(notes)])
    table(["  column", "type", ""], rows)


@contract_app.command("lint")
def lint(
    path: Annotated[Path, typer.Argument(help="A contract in TOML.", show_default=False)], json: opt.Json = False
) -> None:
    """Every mistake in a contract, with its line and key. Exit 2 when there is one."""
    found = lint_contract(path)
    code = ExitCode.USAGE if found else ExitCode.OK
    if json:
        mistakes = [{"line": one.line, "key": one.key, "message": one.message} for one in found]
        write_json({"schema": 1, "path": str(path), "mistakes": mistakes, "exit_code": int(code)})
    else:
        for one in found:
            key = f"{one.key}: " if one.key else ""
            write_result(safe_text(f"{path}:{one.line}: {key}{one.message}"))
        write_message(f"{len(found)} mistakes" if found else f"{path} can be used")
    raise typer.Exit(code)


@contract_app.command("init")
def init(
    database: Annotated[Path, typer.Option("--from", metavar="DB", help="The SQLite file to draft from.")],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="A new file; default: print it.")
    ] = None,
) -> None:
    """Draft a contract from what the values of a database prove, with the evidence in comments. Overwrites nothing."""
    check_intake(database)
    if output is None:
        write_result(draft_contract(database, progress=lambda _done, _total: None).rstrip("\n"))
        return
    refuse_same_file(database, output)
    with claimed(output), new_file(output) as temporary:
        temporary.write_text(draft_contract(database, progress=lambda _done, _total: None), encoding="utf-8")
    write_message(f"drafted {output}; edit it")


@rules_app.command("list")
def rules_list(contract: opt.ContractPath = None, json: opt.Json = False) -> None:
    """The rules: what each looks at, what it tolerates and what it can cost of the 100 points."""
    found: Contract = contract_of(load_settings(contract=contract))
    if json:
        write_json({"schema": 1, "rules": _CONTRACT.dump_python(found, mode="json")["rules"]})
        return
    table(
        ["rule", "severity", "dimension", "points", "tolerates", "what"],
        [
            [
                rule.id,
                rule.severity,
                rule.dimension,
                f"{rule.points:g}" if rule.points else "-",
                f"{rule.tolerance_percent:g} %",
                f"{rule.table}: {rule.title}" if rule.table and not rule.title.startswith(rule.table) else rule.title,
            ]
            for rule in found.rules
        ],
    )
