"""Lint: every mistake of a contract by line and key, and nothing wrong found in one that can be used."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.load import parse_contract
from sdconsole.contract.toml_lines import line_numbers, nearest_line
from sdconsole.contract.toml_text import comment, toml
from sdconsole.errors import UsageError
from sdconsole.quality.score.contract_lint import lint_contract, lint_text

BUILT_IN = resources.files("sdconsole.contract").joinpath("servicedesk.toml").read_text(encoding="utf-8")
SMALL = """\
name = "small"
version = "1"

[[table]]
name = "visits"
key = ["id"]
references = [
    { column = "who", table = "people", parent_column = "id" },
]
columns = [
    { name = "id", type = "bigint" },
    { name = "who", type = "bigint" },  # a comment with "quotes", ] and }
    { name = "at", type = "timestamp", date_order = "DMY" },
]

[[table]]
name = "people"
columns = [{ name = "id", type = "bigint" }]

[[rule]]
id = "A"
title = "at is filled"
check = "filled"
table = "visits"
columns = ["at"]
dimension = "completeness"
severity = "error"
points = 10
reason = "because"

[[rule]]
id = "B"
title = "all of them"
check = "aggregate"
dimension = "completeness"
severity = "warn"
options = { rules = "A" }
reason = "because"
"""


def test_contracts_that_can_be_used_have_no_mistake() -> None:
    assert lint_text(BUILT_IN.encode()) == ()
    assert lint_text(SMALL.encode()) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ('version = "1"', 'version = "1"\nversoin = "2"', 3, "versoin", "did you mean 'version'"),
        ('version = "1"', 'timezone = "Perth"', 1, "version", "missing"),
        ('version = "1"', 'version = "1"\ntimezone = "Perth"', 3, "timezone", "Perth"),
        ('version = "1"', 'version = "1"\nearliest = "soon"', 3, "earliest", "soon"),
        ('key = ["id"]', 'key = ["id", "idd"]', 6, "table[visits].key[1]", "did you mean 'id'"),
        ('key = ["id"]', "key = 7", 6, "table[visits].key", "tuple"),
        ('key = ["id"]', 'newest_by = "on"', 6, "table[visits].newest_by", "no column 'on'"),
        ('key = ["id"]', 'canary_strata = "on"', 6, "table[visits].canary_strata", "no column 'on'"),
        ('table = "people"', 'table = "peopel"', 8, "table[visits].references[who].table", "did you mean 'people'"),
        ('parent_column = "id"', 'parent_column = "no"', 8, "table[visits].references[who].parent_column", "people"),
        ('name = "who", type', 'name = "ID", type', 12, "table[visits].columns[ID].name", "described twice"),
        ('"timestamp", date', '"datetime", date', 13, "table[visits].columns[at].type", "unknown type 'datetime'"),
        ('order = "DMY"', 'order = "NONE"', 13, "table[visits].columns[at].date_order", "a finding"),
        ('"bigint" },  #', '"bigint", date_order = "DMY" }, #', 12, "table[visits].columns[who].date_order", "only"),
        ('"bigint" },  #', '"bigint", minimum = 2, maximum = 1 }, #', 12, "table[visits].columns[who].minimum", "2"),
        ('name = "people"', 'name = "Visits"', 17, "table[Visits].name", "described twice"),
        ('check = "filled"', 'check = "fileld"', 23, "rule[A].check", "did you mean 'filled'"),
        ('columns = ["at"]', 'columns = ["on"]', 25, "rule[A].columns[0]", "no column 'on'"),
        ('table = "visits"', 'table = "visit"', 24, "rule[A].table", "did you mean 'visits'"),
        ("points = 10", "points = -1", 28, "rule[A].points", "negative"),
        ("points = 10", "tolerance_percent = 101", 28, "rule[A].tolerance_percent", "between"),
        ('severity = "error"', 'severity = "bad"', 27, "rule[A].severity", "blocker"),
        ('rules = "A"', 'rules = "A, C"', 31, "rule[B]", "C"),
        ('id = "B"', 'id = "A"', 32, "rule[A].id", "described twice"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(old: str, new: str, line: int, key: str, words: str) -> None:
    text = SMALL.replace(old, new, 1)
    assert text != SMALL
    found = {(mistake.line, mistake.key): mistake.message for mistake in lint_text(text.encode())}
    assert words in found[line, key], found


def test_all_mistakes_are_found_at_once_in_the_order_of_their_lines() -> None:
    text = SMALL.replace('type = "bigint" },\n    { name = "who"', 'type = "big" },\n    { name = "who"')
    text = text.replace('columns = ["at"]', 'columns = ["on"]').replace('table = "people"', 'table = "p"')
    assert [mistake.line for mistake in lint_text(text.encode())] == [8, 11, 25]


@pytest.mark.parametrize(
    ("content", "line"),
    [(b'name = "x"\nversion = \n', 2), (b'name = "x"\n[[table]\n', 2), (b'name = "x"\n# \xff\n', 2), (b"name = ", 1)],
)
def test_what_is_no_toml_is_named_with_its_line(content: bytes, line: int) -> None:
    [mistake] = lint_text(content)
    assert (mistake.line, mistake.key) == (line, "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('check = "filled"', 'check = "expression"\noptions = { expression = "no such thing(" }', ""),
        ("options = { minimum = 8 }", "options = { minimun = 8 }", "minimum"),
        ("full_percent = 99.9", 'full_percent = "most"', "full_percent"),
        ("full_percent = 5, zero_percent = 25", "full_percent = 25, zero_percent = 5", "greater"),
    ],
)
def test_a_rule_that_could_not_be_evaluated_is_found_before_any_deployment(old: str, new: str, words: str) -> None:
    text = SMALL.replace(old, new, 1) if old in SMALL else BUILT_IN.replace(old, new, 1)
    found = lint_text(text.encode())
    assert len(found) == 1
    assert words in found[0].message
    assert text.splitlines()[found[0].line - 1] == "[[rule]]"


def test_what_loading_refuses_lint_finds() -> None:
    for old, new in (
        ("key = [", 'kye = ["x"]\nkey = ["no", '),
        ('"people"', '"p"'),
        ("bigint", "big"),
        ('["at"]', '["x"]'),
    ):
        text = SMALL.replace(old, new, 1).encode()
        with pytest.raises(UsageError):
            parse_contract(text, source="x")
        assert lint_text(text)


def test_an_unreadable_contract_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        lint_contract(tmp_path / "none.toml")
    assert refused.value.slug == "contract-unreadable"


# -- lines of TOML ---------------------------------------------------------------------------------------------------

TORTURE = '''\
title = "a # no comment [x] = {"
"quoted.key" = 1
a.b . c = 'literal "\\'
dates = [1979-05-27 07:32:00, 1979-05-27,
  [ "nested", [ 1,

    2 ] ], # comment ]
]
long = """
[[not.a.table]]
x = "quotes "" inside \\""""
raw = \'\'\'
it\'s ]\'\'\'
inline = { x = { y = [ { z = 1 }, { z = 2 } ] }, "w" = 2 }

[server.one]
port = 1 # comment
  [server."two.three"]
  port=2
[[fruit]]
name = "apple"
[fruit.physical]
colour = "red"
[[fruit.variety]]
name = "red delicious"
[[fruit.variety]]
name = "granny"
[[fruit]]
name = "banana"
[[fruit.variety]]
name = "plantain"
'''


def places(value: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        items: list[tuple[str | int, Any]] = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
    for key, item in items:
        yield (*here, key)
        yield from places(item, (*here, key))


@pytest.mark.parametrize("text", [TORTURE, BUILT_IN, SMALL], ids=["torture", "built-in", "small"])
def test_every_key_and_element_has_a_line_that_holds_it(text: str) -> None:
    lines, written = line_numbers(text), text.splitlines()
    data = tomllib.loads(text)
    assert set(places(data)) == set(lines)
    for place, line in lines.items():
        if isinstance(place[-1], str):
            assert place[-1] in written[line - 1] or "[[" in written[line - 1], place


def test_lines_are_exact_and_the_nearest_is_found_for_what_is_missing() -> None:
    lines = line_numbers(TORTURE)
    assert lines["dates", 2, 1, 1] == 7
    assert lines["inline", "x", "y", 1, "z"] == 14
    assert lines["server", "two.three", "port"] == 19
    assert lines["fruit", 1, "variety", 0, "name"] == 31
    assert nearest_line(lines, ("fruit", 0, "variety", 1, "weight")) == 26
    assert nearest_line(lines, ("nothing",)) == 1


@pytest.mark.parametrize("value", ['say "hi" \\ \x00\x1f\x7f', "päß 日本 \U0001f600", "line\nfeed\ttab", "", "\u202e"])
def test_every_text_survives_being_written_as_toml(value: str) -> None:
    entry = {value or "k": value, "list": [value, 1, 2.5, True]}
    text = f"{comment(value)}\nx = {toml(entry)}\n"
    assert tomllib.loads(text)["x"] == entry
