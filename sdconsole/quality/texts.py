"""What text looks like once it is clean, and which words mean that there is no text.

Knows no table and no file. Normalising is idempotent: its result, normalised again, is itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import is_, is_not

from sdconsole.contract.model import Column, Contract, Kind
from sdconsole.quality.outcome import (
    BLANK_LINES,
    LINE_ENDS,
    MISSING,
    NUL_REMOVED,
    TRIMMED,
    Fault,
    Outcome,
    Reader,
    faulty,
)

BLANKS = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "\u200b\u2060\ufeff"
"""Every blank that Unicode knows, and three that have no width."""
_NEWLINES = re.compile(r"\n{4,}")
_SHORTEST_WORD = 3
_ZERO_WIDTH = BLANKS[-3:]


@dataclass(frozen=True, slots=True)
class Words:
    """The tokens of a column. `missing` is in lower case; `kept` stay in the data and count as missing."""

    missing: frozenset[str]
    kept: frozenset[str]


def words_of(column: Column, contract: Contract) -> Words:
    """Typed columns know every token of the contract; text columns only what a dataframe writes for a gap.

    '?', '-' and 'na' are words that people write, so text keeps them unless its own `missing_tokens` say otherwise.
    """
    tokens = {token.lower() for token in contract.tokens_of(column)}
    if column.kind is Kind.TEXT and column.missing_tokens is None:
        tokens = {token for token in tokens if "/" in token or (token.isalpha() and len(token) >= _SHORTEST_WORD)}
    return Words(frozenset(tokens) - {token.lower() for token in column.keep_tokens}, frozenset(column.keep_tokens))


def has_surrogate(value: str) -> bool:
    """Whether the text came from bytes that are not UTF-8; such a text cannot be encoded again."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def missing(value: str, core: str, words: Words) -> Outcome | None:
    """NULL when `core`, the value without blanks around it, is empty or a word for a missing value."""
    if not core:
        return Outcome(None, (MISSING + ("blanks" if value else "''"),))
    token = core.lower()
    return Outcome(None, (MISSING + token,)) if token in words.missing and core not in words.kept else None


def normalise(text: str, *, keep_padding: bool = False) -> tuple[str, tuple[str, ...]]:
    """The text without NUL, with LF line ends, at most three in a row, and no blanks around it; and what that took."""
    operations: list[str] = []
    if "\0" in text:
        text = text.replace("\0", "")
        operations.append(NUL_REMOVED)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        operations.append(LINE_ENDS)
    if "\n\n\n\n" in text:
        text = _NEWLINES.sub("\n\n\n", text)
        operations.append(BLANK_LINES)
    if not keep_padding:
        trimmed = text.strip(BLANKS)
        if trimmed != text:
            text = trimmed
            operations.append(TRIMMED)
    return text, tuple(operations)


def untidy_texts(texts: Sequence[str], *, keep_padding: bool = False) -> set[str]:
    """Those of the texts that `normalise` may change, or that are no text at all; the others it surely does not."""
    untidy: set[str] = set()
    if not keep_padding:
        stripped = list(map(str.strip, texts))
        if not all(map(is_, stripped, texts)):
            untidy.update(compress(texts, map(is_not, stripped, texts)))
    joined = "\0".join(texts)
    if "\r" in joined or "\n\n\n\n" in joined or joined.count("\0") != len(texts) - 1:
        untidy.update(text for text in texts if "\r" in text or "\0" in text or "\n\n\n\n" in text)
    if not joined.isascii():
        untidy.update(_odd_texts(texts, joined))
    return untidy


def _odd_texts(texts: Sequence[str], joined: str) -> list[str]:
    """The texts with blanks of no width, or with bytes that are not UTF-8."""
    try:
        joined.encode()
    except UnicodeEncodeError:
        return [text for text in texts if not text.isascii()]
    found = [blank for blank in _ZERO_WIDTH if blank in joined]
    return [text for text in texts if any(blank in text for blank in found)] if found else []


def text_reader(column: Column, words: Words) -> Reader:
    def read(value: object) -> Outcome:
        if isinstance(value, float) and not math.isfinite(value):
            return faulty(Fault.NOT_FINITE)
        if not isinstance(value, str):
            return Outcome(repr(value))
        text, operations = normalise(value, keep_padding=column.keep_padding)
        found = missing(value, text.strip(BLANKS), words)
        return found if found is not None else Outcome(text, operations)

    return read
