"""All that is wrong with a runbook before anybody walks it, with the file's lines: form, plan, queries, texts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from sdconsole.core.model import StageName
from sdconsole.errors import UsageError
from sdconsole.runbook.model import BUILT_IN, PLACE, OnFail, Problem, Runbook, Step
from sdconsole.runbook.options import GATES
from sdconsole.runbook.parse import parse, read_text
from sdconsole.runbook.planner import Stretch, plan_walk

_OUTSIDE = re.compile(
    r"\b(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal|set_config"
    r"|pg_read_file|pg_read_binary_file|pg_ls_dir|lo_import|lo_export|dblink\w*|pg_advisory\w*|pg_notify|pg_sleep\w*"
    r"|query_to_xml\w*)\s*\(",
    re.IGNORECASE,
)
"""Functions that act outside of a transaction, so that READ ONLY does not hold them."""
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_CHANGE_LIVE = (StageName.CUTOVER, StageName.ROLLBACK)


def lint(text: str) -> tuple[Problem, ...]:
    """Every problem, in the order of the lines. None = it can be walked."""
    runbook, problems = parse(text)
    found = [*problems]
    plan, wrong = plan_walk(runbook)
    found += wrong
    if not wrong:
        for stretch in plan.stretches:
            found += _stretch_problems(stretch)
    titles: dict[str, int] = {}
    for step in runbook.steps:
        found += _step_problems(runbook, step)
        if step.title in titles:
            found.append(
                Problem(step.line, f"a second step is called {step.title!r}; the first is on line {titles[step.title]}")
            )
        titles.setdefault(step.title, step.line)
    return tuple(sorted(set(found), key=lambda problem: (problem.line, problem.message)))


def checked(path: Path) -> Runbook:
    """The runbook at `path`, when nothing is wrong with it. Raises UsageError ("runbook-invalid", ...)."""
    text = read_text(path)
    problems = lint(text)
    if problems:
        raise UsageError(
            "runbook-invalid",
            f"{path.name} cannot be walked",
            cause="\n".join(f"line {problem.line}: {problem.message}" for problem in problems),
            next_step=f"correct it, then: sdconsole runbook lint {path}",
        )
    return parse(text)[0]


def _stretch_problems(stretch: Stretch) -> Iterator[Problem]:
    for step in stretch.steps:
        stages = stretch.stages_of(step)
        changing = [stage for stage in stages if stage in _CHANGE_LIVE]
        if changing and not step.warnings:
            yield Problem(step.line, f"{changing[0]} changes what readers see: say so in a `> [!WARNING]`")
        if step.gate is not None and GATES[step.gate.name][0] not in stages:
            yield Problem(
                step.gate.line,
                f"the gate on {step.gate.name} belongs to the step with stage {GATES[step.gate.name][0]}",
            )
        if step.on_fail is OnFail.ROLLBACK and StageName.VERIFY not in stages:
            yield Problem(step.line, 'on_fail = "rollback" belongs to the step with stage verify')
        if step.is_stage and step.checks and len(stages) == 0:
            yield Problem(step.line, "a check needs a stage that is executed")


def _step_problems(runbook: Runbook, step: Step) -> Iterator[Problem]:
    if not step.title:
        yield Problem(step.line, "the heading is empty")
    names = set()
    for check in step.checks:
        if check.name in names:
            yield Problem(check.line, f"a second check of this step is called {check.name}")
        names.add(check.name)
        yield from (Problem(check.line, message) for message in _sql_problems(check.sql))
    known = {param.name for param in runbook.params} | BUILT_IN
    for text in (*step.attestations, *step.warnings, step.confirm, step.gate.value if step.gate else ""):
        for name in PLACE.findall(text):
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f", did you mean {{{near[0]}}}?" if near else f"; known: {', '.join(sorted(known))}"
                yield Problem(step.line, f"{{{name}}} is no parameter{hint}")


def _sql_problems(sql: str) -> Iterator[str]:
    bare = _COMMENT.sub(" ", sql).strip().rstrip(";").strip()
    if not bare:
        yield "the check is empty"
        return
    if bare.split(None, 1)[0].lower() not in ("select", "with", "values", "table"):
        yield "a check is one SELECT, WITH, VALUES or TABLE"
    if ";" in re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"", "", bare):
        yield "a check is one statement: there is a semicolon inside"
    outside = _OUTSIDE.search(bare)
    if outside:
        yield f"{outside[1]} acts outside of a read-only transaction"
