"""The classes that words put a text into: one ordered, versioned list for every panel, as data.

A word is met whole, whatever its case: "share" is not in "SharePoint" and "call" is not in "technically".
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources

from psycopg import sql
from pydantic import TypeAdapter

_WORD = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class WordClass:
    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassList:
    """`column` of `table` holds the text, `also` a second one; `otherwise` is the class of what meets no word."""

    name: str
    column: str
    otherwise: str
    classes: tuple[WordClass, ...]
    also: str = ""
    table: str = "tickets"

    def classify(self, *texts: str | None) -> str:
        """The class of these texts."""
        whole = " ".join(text or "" for text in texts)
        for each in self.classes:
            if re.search(rf"\b(?:{'|'.join(each.words)})\b", whole, re.IGNORECASE):
                return each.name
        return self.otherwise


@dataclass(frozen=True, slots=True)
class Classification:
    version: int
    lists: tuple[ClassList, ...]


@functools.cache
def load_classification() -> Classification:
    """The built-in lists. Raises ValueError when a word is not made of letters, digits and blanks."""
    text = resources.files("sdconsole.analytics").joinpath("classification.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    found = TypeAdapter(Classification).validate_python({"version": data["version"], "lists": data["list"]})
    for each in found.lists:
        for word in (word for one in each.classes for word in one.words):
            if not _WORD.fullmatch(word):
                raise ValueError(f"{each.name}: {word!r} is no word")
    return found


def class_of(of: ClassList) -> sql.Composed:
    """The class of a row as an SQL expression over its own text columns; most texts meet no word of any class."""
    text: sql.Composable = sql.SQL("coalesce({}, '')").format(sql.Identifier(of.column))
    if of.also:
        text = sql.SQL("concat({}, ' ', {})").format(text, sql.Identifier(of.also))
    every = "|".join(word for each in of.classes for word in each.words)
    none = sql.Literal(rf"\m(?:{every})\M")
    cases = [sql.SQL("WHEN {} !~* {} THEN {}").format(text, none, sql.Literal(of.otherwise))]
    cases += [
        sql.SQL("WHEN {} ~* {} THEN {}").format(
            text, sql.Literal(rf"\m(?:{'|'.join(each.words)})\M"), sql.Literal(each.name)
        )
        for each in of.classes
    ]
    return sql.SQL("CASE {} ELSE {} END").format(sql.SQL(" ").join(cases), sql.Literal(of.otherwise))
