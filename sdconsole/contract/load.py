"""Read a contract from TOML and refuse one that does not make sense.

Every mistake found is named with its place in the file, so that one round of editing mends them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sdconsole.contract.model import Contract
from sdconsole.contract.problems import Problem, contract_problems, place_text, validation_problems
from sdconsole.errors import UsageError
from sdconsole.small_file import parse_toml, read_small, reason

_CONTRACT = TypeAdapter(Contract)


def load_contract(path: Path | None = None) -> Contract:
    """The contract in `path`, or the built-in ServiceDesk contract.

    Raises UsageError ("contract-unreadable" or "contract-invalid") with every mistake in `cause`.
    """
    if path is None:
        content = resources.files("sdconsole.contract").joinpath("servicedesk.toml").read_bytes()
        return parse_contract(content, source="built-in servicedesk")
    try:
        content = read_small(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            "contract-unreadable",
            f"cannot read the contract {path}",
            cause=reason(error),
            next_step="check the path given with --contract, or leave it out to use the built-in contract",
        ) from error
    return parse_contract(content, source=str(path))


def parse_contract(content: bytes, *, source: str) -> Contract:
    """A contract from TOML bytes. Raises UsageError ("contract-invalid")."""
    try:
        data = parse_toml(content)
    except ValueError as error:
        raise _invalid(source, [str(error)]) from error
    digest = hashlib.sha256(content).hexdigest()
    others = {key: value for key, value in data.items() if key not in ("table", "rule")}
    renamed = {"tables": data.get("table", []), "rules": data.get("rule", [])} | others
    try:
        contract = _CONTRACT.validate_python(renamed | {"source": source, "digest": digest})
    except ValidationError as error:
        raise _invalid(source, _sentences(validation_problems(error), data)) from error
    problems = _sentences(contract_problems(contract), data)
    if problems:
        raise _invalid(source, problems)
    return contract


def _sentences(problems: Iterable[Problem], data: Mapping[str, Any]) -> list[str]:
    return [f"{place_text(problem.location, data)}: {problem.message}" for problem in problems]


def _invalid(source: str, problems: list[str]) -> UsageError:
    return UsageError(
        "contract-invalid",
        f"the contract {source} cannot be used",
        cause="; ".join(problems),
        next_step=f"sdconsole contract lint {source}     names the line of each mistake",
    )
