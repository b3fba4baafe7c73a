"""Runbooks as text: what is read, what is refused and on which line, and which plan comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdconsole.core.model import Mode, RunKind, StageName
from sdconsole.core.plan import deploy_plan, restore_plan, rollback_plan
from sdconsole.errors import UsageError
from sdconsole.runbook.library import find, shipped, shipped_folder
from sdconsole.runbook.lint import checked, lint
from sdconsole.runbook.model import OnFail, Runbook
from sdconsole.runbook.parse import parse, read_text
from sdconsole.runbook.planner import Stretch, plan_walk, tightened, walk_params
from sdconsole.runbook.template import new_runbook

HEAD = """# Promote

```toml runbook
schema = 1
id = "promote"
params.source = { help = "the export" }
params.limit = { default = "85", help = "the score" }
```
"""


def stage(options: str, *, title: str = "One", more: str = "") -> str:
    return f"\n## {title}\n\n> [!WARNING]\n> Look.\n\n```toml stage\n{options}\n```\n{more}"


def problems(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in lint(text)]


def test_everything_a_step_may_hold_is_read_with_its_line() -> None:
    text = HEAD + (
        "\n## 1. Look\n\nProse.\n\n"
        "```sql check orphans\nSELECT 1\nWHERE false\n```\n\n"
        "```console\nsdconsole status\n```\n\n```sh\nrm -rf /\n```\n\n"
        "- [ ] It is\n  quiet\n- not a box\n\n> [!NOTE]\n> Nothing.\n"
        "\n## 2. Go\n\n> [!WARNING]\n> Readers of {live_schema}\n> wait.\n\n"
        '```toml stage\nid = "preflight"\nthrough = "cutover"\ntimeout = "1h30m"\nbox = "25m"\n'
        'gate = "score >= {limit}"\n'
        'confirm = "type {live_schema}"\n```\n'
    )
    book, wrong = parse(text)
    assert not wrong
    assert not problems(text)
    assert (book.id, book.title, book.mode) == ("promote", "Promote", Mode.COMPLETE)
    look, go = book.steps
    assert (look.title, look.line, look.is_stage) == ("Look", 10, False)
    assert [(check.name, check.sql, check.line) for check in look.checks] == [("orphans", "SELECT 1\nWHERE false", 14)]
    assert look.attestations == ("It is quiet",)
    assert look.commands == ("sdconsole status", "rm -rf /")
    assert look.warnings == ()
    assert (go.first, go.last) == (StageName.PREFLIGHT, StageName.CUTOVER)
    assert (go.timeout_seconds, go.box_seconds) == (5400.0, 1500.0)
    assert go.warnings == ("Readers of {live_schema} wait.",)
    assert go.confirm == "{live_schema}"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "title is missing"),
        ("# T\n\n## One\n", 1, "`toml runbook` block is missing"),
        (HEAD, 1, "no step"),
        (HEAD.replace("schema = 1", "schema = 2") + "\n## One\n", 3, "schema = 1"),
        (HEAD.replace('id = "promote"', 'id = "A b"') + "\n## One\n", 3, "id is missing or no name"),
        (HEAD.replace('id = "promote"', "id = promote") + "\n## One\n", 5, "Invalid value"),
        (HEAD.replace('id = "promote"', 'id = "promote"\nmodus = 1') + "\n## One\n", 3, "unknown key 'modus', did you"),
        (HEAD + "\n## One\n\n```toml stagee\n```\n", 12, "did you mean `toml stage`"),
        (HEAD + '\n## One\n\n- x\n\n  ```toml stage\n  id = "load"\n  ```\n', 14, "inside a list"),
        (HEAD + "\n## One\n\n- [x] done\n", 12, "ticked in the file"),
        (HEAD + "\n## One\n\n```sql check Bad-Name\nSELECT 1\n```\n", 12, "sql check NAME"),
        (HEAD + "\n## One\n\n```sql check a\nDELETE FROM x\n```\n", 12, "a check is one SELECT"),
        (HEAD + "\n## One\n\n```sql check a\nSELECT 1; COMMIT\n```\n", 12, "semicolon inside"),
        (HEAD + "\n## One\n\n```sql check a\nSELECT pg_terminate_backend (1)\n```\n", 12, "acts outside"),
        (HEAD + "\n## One\n\n```sql check a\n-- only words\n```\n", 12, "the check is empty"),
        (HEAD + "\n## One\n\n- [ ] For {nobody}\n", 10, "{nobody} is no parameter"),
        (HEAD + "\n## One\n\n## One\n", 12, "a second step"),
        (HEAD + '\n## One\n\n```toml step\nbox = "soon"\n```\n', 12, "box is a time"),
        (HEAD + '\n## One\n\n```toml step\non_fail = "rollback"\n```\n', 12, "on_fail is one of"),
        (HEAD + stage('id = "lode"'), 15, "did you mean 'load'"),
        (HEAD + stage('id = "preflight"\ngate = "score > 3"'), 15, "drawn with >="),
        (HEAD + stage('id = "preflight"\ngate = "score >= 85"'), 15, "belongs to the step with stage score"),
        (HEAD + stage('id = "preflight"\ntimout = "1m"'), 15, "did you mean 'timeout'"),
        (HEAD + stage('id = "load"'), 10, "preflight comes next in this run, not load"),
        (HEAD + stage('id = "preflight"\nthrough = "rollback"'), 10, "rollback is no stage of this run"),
        (HEAD + stage('id = "preflight"\non_fail = "rollback"'), 10, "belongs to the step with stage verify"),
        (
            HEAD + stage('id = "preflight"\nthrough = "verify"').replace("> [!WARNING]\n> Look.\n", ""),
            10,
            "say so in a",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, words: str) -> None:
    found = problems(text)
    assert any(at == line and words in message for at, message in found), found


def stretches(text: str) -> list[Stretch]:
    plan, wrong = plan_walk(parse(text)[0])
    assert not wrong
    return list(plan.stretches)


def test_the_plan_of_a_runbook_is_the_plan_of_the_command() -> None:
    whole = stretches(HEAD + stage('id = "preflight"\nthrough = "verify"'))
    assert [stretch.plan for stretch in whole] == [deploy_plan(Mode.COMPLETE)]
    until = stretches(HEAD + stage('id = "preflight"\nthrough = "score"'))
    assert [stretch.plan for stretch in until] == [deploy_plan(Mode.COMPLETE).until(StageName.SCORE)]
    simple = HEAD.replace("schema = 1", 'schema = 1\nmode = "simple"')
    assert stretches(simple + stage('id = "preflight"\nthrough = "verify"'))[0].plan == deploy_plan(Mode.SIMPLE)
    back = stretches(HEAD + stage('id = "rollback"\nthrough = "verify"'))
    assert [stretch.plan for stretch in back] == [rollback_plan()]
    restored = stretches(HEAD + stage('id = "restore"\nthrough = "verify"'))
    assert [stretch.plan for stretch in restored] == [restore_plan()]


def test_manual_steps_stand_between_the_stages_of_one_run() -> None:
    text = (
        HEAD
        + "\n## Before\n"
        + stage('id = "preflight"\nthrough = "score"', title="First")
        + "\n## Between\n"
        + stage('id = "canary"\nthrough = "verify"', title="Second")
        + "\n## After\n"
        + stage('id = "rollback"\nthrough = "verify"', title="Third")
    )
    plan, wrong = plan_walk(parse(text)[0])
    assert not wrong
    kinds = [part.plan.kind if isinstance(part, Stretch) else part.title for part in plan.parts]
    assert kinds == ["Before", RunKind.DEPLOY, "After", RunKind.ROLLBACK]
    deploy = plan.stretches[0]
    assert [step.title for step in deploy.before(StageName.CANARY)] == ["Between"]
    assert deploy.before(StageName.LOAD) == ()
    assert deploy.step_of(StageName.LOAD).title == "Second"


def test_a_gate_draws_a_limit_tighter_and_never_looser() -> None:
    assert tightened("min_quality", 80.0, ">=", "{limit}", {"limit": "85"}) == 85
    assert tightened("min_quality", 90.0, ">=", "85", {}) == 90
    assert tightened("corrupt_percent", 20, "<=", "5", {}) == 5
    assert tightened("corrupt_percent", 3, "<=", "5", {}) == 3
    with pytest.raises(UsageError) as caught:
        tightened("min_quality", 80.0, ">=", "{limit}", {"limit": "high"})
    assert caught.value.slug == "runbook-param"


def test_parameters_are_complete_and_known() -> None:
    book: Runbook = parse(HEAD + "\n## One\n")[0]
    assert walk_params(book, {"source": "x.db"}) == {"source": "x.db", "limit": "85"}
    for given in ({}, {"source": "x.db", "limmit": "3"}):
        with pytest.raises(UsageError) as caught:
            walk_params(book, given)
        assert caught.value.slug == "runbook-param"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_runbook_can_be_walked(name: str) -> None:
    text = read_text(shipped()[name])
    assert problems(text) == []
    assert parse(text)[0].id == name


def test_the_shipped_runbooks_are_all_there() -> None:
    assert set(shipped()) >= {
        "best-practices", "comment-quality", "escalation", "first-adoption", "monitoring", "quarterly-import",
        "rehearsal", "restore", "rollback", "schema-change", "troubleshooting", "weekly-checks",
    }  # fmt: skip
    assert shipped_folder().is_dir()
    with pytest.raises(UsageError) as caught:
        find("quaterly-import")
    assert caught.value.next_step.endswith("quarterly-import")


def test_principles_and_roles_are_complete() -> None:
    best = parse(read_text(find("best-practices")))[0]
    assert sum(line[:2].rstrip(".").isdigit() for line in best.steps[0].text.splitlines()) == 15
    assert all(role in read_text(find("escalation")) for role in ("| L1 |", "| L2 |", "| L3 |"))
    trouble = parse(read_text(find("troubleshooting")))[0]
    assert [bool(step.checks) for step in trouble.steps] == [True] * 5 + [False]
    assert all(step.on_fail is OnFail.NOTE for step in trouble.steps[:5])


def test_a_new_runbook_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "My promotion.md"
    path.write_text(new_runbook(path))
    assert checked(path).id == "my-promotion"
    with pytest.raises(UsageError):
        new_runbook(tmp_path / "1.md")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    for content in (None, b"\xff\xfe\x00", b"# x\n" * 400_000):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            checked(path)
        assert caught.value.slug == "runbook-unreadable"
